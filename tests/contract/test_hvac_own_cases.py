"""hvac's own test cases, unmodified, against a running secvault and against a real OpenBao.

They come from hvac's source distribution, pinned by hash, and are unpacked into a temporary folder.
Only what starts their server is replaced (`hvac_own/pointed.py`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import httpx2
import pytest

from tests.acceptance.installation import Installation, new_installation, stop, system_token
from tests.conftest import OpenBao

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "hvac-source.txt"
POINTED = Path(__file__).parent / "hvac_own"
CASES = Path("tests/integration_tests/api")
TRANSIT = "secrets_engines/test_transit.py"
TRANSIT_CASES = 47
# Token roles, wrapped answers and orphans are not there: docs/reference/tokens.md.
TOKENS = "auth_methods/test_token.py"
TOKEN_CASES_MET = frozenset(
    {
        *("test_auth_token_manipulation", "test_self_auth_token_manipulation"),
        *("test_token_accessor", "test_create_token_explicit_max_ttl"),
        *("test_create_token_max_ttl", "test_create_token_periodic"),
    }
)
# They seal it: not for a server that others share.
SYSTEM = ("test_seal.py", "test_health.py", "test_init.py", "test_leader.py")
NO_CLUSTER = "Skipping test case, Vault HA required but not available."


@dataclass(frozen=True)
class Pointed:
    """A server for hvac's cases. keys: what unseals it; program: a `vault` that tells a version."""

    cases: Path
    address: str
    token: str
    program: Path
    keys: tuple[str, ...] = ()

    def outcomes(self, *files: str) -> Mapping[str, str]:
        """What became of each case: `passed`, `skipped: why`, or how it failed."""
        report = self.cases.parent / "report.xml"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-o", "addopts=", "-p", "pointed",
             "-p", "no:randomly", "-p", "no:cacheprovider", f"--junitxml={report}",
             *(str(CASES / file) for file in files)],
            cwd=self.cases,
            env={
                **os.environ,
                "PATH": f"{self.program}:{os.environ['PATH']}",
                "PYTHONPATH": f"{self.cases}:{POINTED}",
                "HVAC_OWN_ADDRESS": self.address,
                "HVAC_OWN_TOKEN": self.token,
                "HVAC_OWN_KEYS": json.dumps(self.keys),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )  # fmt: skip
        assert report.exists(), done.stdout[-3000:] + done.stderr[-3000:]
        return {
            str(case.get("name")): _outcome(case)
            for case in ElementTree.parse(report).iter("testcase")
        }


def _outcome(case: ElementTree.Element) -> str:
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            return f"{child.tag}: {child.get('message')}"
    return "passed"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hvac's source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("hvac")
    # Without isolation, so that nothing is installed that no lock names.
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check",
         "--no-input", "--no-deps", "--no-build-isolation", "--require-hashes",
         "-r", str(LOCK), "-d", str(folder)],
        check=True,
        timeout=300,
    )  # fmt: skip
    (archive,) = folder.glob("hvac-*.tar.gz")
    # Not `tarfile`: before Python 3.11.4 it cannot be told to keep within the folder.
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True, timeout=60)
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `vault`, asked only which version it is: by it cases choose themselves."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "vault").symlink_to(ROOT / ".venv-openbao" / "bin" / "bao")
    return folder


@pytest.fixture(scope="module")
def theirs(openbao: OpenBao, cases: Path, program: Path) -> Pointed:
    """A real OpenBao."""
    return Pointed(cases, openbao.addr, openbao.token, program)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory, cases: Path, program: Path) -> Iterator[Pointed]:
    """secvault under 5 shares of which 3 open it, as hvac's cases want it, and who may do all."""
    said: list[str] = []
    installation = new_installation(
        tmp_path_factory.mktemp("vault"),
        "[mounts]\ndisable_with_keys = true\n",
        seal=("--seal", "shares", "--shares", "5", "--threshold", "3"),
        said=said,
    )
    shares = tuple(json.loads(said[0])["shares"])
    process = installation.start()
    try:
        _unseal(installation, process, shares)
        with installation.opened() as service:
            roles = ("role:it.admin", "role:it.cryptor", "role:it.key_custodian")
            token = system_token(service, "hvac", "it", *roles)
        yield Pointed(cases, installation.address, token, program, shares)
    finally:
        stop(process)


def _unseal(
    installation: Installation, process: subprocess.Popen[bytes], shares: tuple[str, ...]
) -> None:
    deadline = time.monotonic() + 120
    while not _listens(installation):
        assert process.poll() is None, installation.log()[-2000:]
        assert time.monotonic() < deadline, installation.log()[-2000:]
        time.sleep(0.1)
    for share in shares[:3]:
        installation.call("PUT", "/v1/sys/unseal", "", {"key": share})
    installation.wait_until_ready(process)


def _listens(installation: Installation) -> bool:
    try:
        return installation.call("GET", "/v1/sys/seal-status", "").status_code == 200
    except httpx2.TransportError:
        return False


def test_every_transit_case_passes_here_as_on_openbao(ours: Pointed, theirs: Pointed) -> None:
    there = theirs.outcomes(TRANSIT)
    expected = dict.fromkeys(there, "passed")
    assert len(expected) == TRANSIT_CASES
    assert there == expected
    assert ours.outcomes(TRANSIT) == expected


def test_the_token_cases_pass_that_need_nothing_that_is_not_offered(
    ours: Pointed, theirs: Pointed
) -> None:
    there, here = theirs.outcomes(TOKENS), ours.outcomes(TOKENS)
    assert there.keys() == here.keys() > TOKEN_CASES_MET
    assert {there[name] for name in TOKEN_CASES_MET} == {"passed"}
    assert {name: here[name] for name in TOKEN_CASES_MET} == dict.fromkeys(
        TOKEN_CASES_MET, "passed"
    )


def test_the_cases_of_seal_health_initialisation_and_leader_pass(ours: Pointed) -> None:
    found = ours.outcomes(*(f"system_backend/{file}" for file in SYSTEM))
    skipped = {name for name, outcome in found.items() if NO_CLUSTER in outcome}
    assert len(skipped) == 4
    failed = {name: it for name, it in found.items() if it != "passed" and name not in skipped}
    assert not failed
    assert len(found) == 11
