"""The same requests to a real OpenBao and to secvault, compared in status, shape and words."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.conftest import OpenBao
from tests.contract.case import Case
from tests.contract.cases import all_cases
from tests.contract.differences import DIFFERENCES, ONLY_WORDS
from tests.contract.material import wrap
from tests.running_service import Front, furnish, system_token

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Ask = Callable[[str, str, Any], tuple[int, Any]]
Answers = list[tuple[int, Any]]

CASES = all_cases()
_PLACE = re.compile(r"<(\d+)\.([\w.]+)>")
_WRAPPED = re.compile(r"^\d+ errors? occurred:\n\t\* (.*)\n\n$", re.DOTALL)


@pytest.fixture(scope="module")
def theirs(openbao: OpenBao) -> Iterator[Ask]:
    """A real OpenBao."""
    with httpx2.Client(base_url=openbao.addr, headers={"X-Vault-Token": openbao.token}) as client:
        yield lambda method, path, body: _asked(client, method, path, body)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """secvault, as a system meets it that may do everything with keys."""
    house = furnish(tmp_path_factory.mktemp("contract"))
    with house.open() as service:
        roles = ("role:it.admin", "role:it.cryptor", "role:it.key_custodian")
        token = system_token(service, "contract", "it", *roles)
    with Front().serving(house) as api:
        api.client.headers["X-Vault-Token"] = token
        yield lambda method, path, body: _asked(api.client, method, path, body)


def test_there_are_at_least_300_cases_and_each_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 300
    assert set(DIFFERENCES) <= set(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_secvault_answers_as_openbao_does(case: Case, ours: Ask, theirs: Ask) -> None:
    name = f"c-{secrets.token_hex(5)}"
    faults = _faults(_played(case, name, ours), _played(case, name, theirs))
    if case.name in DIFFERENCES:
        assert faults, f"no longer differs: {case.name}"
        if DIFFERENCES[case.name] in ONLY_WORDS:
            assert not any(": status " in fault for fault in faults), "\n".join(faults)
    else:
        assert not faults, "\n".join(faults)


def _played(case: Case, name: str, ask: Ask) -> Answers:
    answers: Answers = []
    for method, path, body in case.steps:
        filled = _filled(_named(body, name), answers)
        if isinstance(filled, dict) and "wrapped" in filled:
            filled = _for(ask, filled)
        answers.append(ask(method, path.format(k=name), filled))
    return answers


def _named(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(each, name) for key, each in value.items()}
    return value.replace("{k}", name) if isinstance(value, str) else value


def _for(ask: Ask, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the material wrapped for the wrapping key of this side."""
    given = dict(body)
    material = base64.b64decode(given.pop("wrapped"))
    key_bytes = int(given.pop("key_bytes"))
    public = ask("GET", "transit/wrapping_key", None)[1]["data"]["public_key"]
    function = given["hash_function"] if given["hash_function"] != "md5" else "SHA256"
    return {**given, "ciphertext": wrap(material, public, function, key_bytes)}


def _filled(value: Any, answers: Answers) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, answers) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, answers) for each in value]
    found = _PLACE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    _, answer = answers[int(found[1])]
    for part in found[2].split("."):
        answer = answer[part] if isinstance(answer, dict) and part in answer else "missing"
    return answer


def _asked(client: Any, method: str, path: str, body: Any) -> tuple[int, Any]:
    answer = client.request(method, f"/v1/{path}", json=body)
    return answer.status_code, answer.json() if answer.content else None


def _faults(ours: Answers, theirs: Answers) -> list[str]:
    faults = []
    for step, ((our_status, our), (their_status, their)) in enumerate(
        zip(ours, theirs, strict=True)
    ):
        # The engine calls many faults of the caller its own; here they are the caller's.
        if our_status not in (their_status, 400 if their_status == 500 else their_status):
            faults.append(f"step {step}: status {our_status}, theirs {their_status}: {our} {their}")
        elif _shape(our) != _shape(their):
            faults.append(f"step {step}: {_shape(our)}\n  theirs {_shape(their)}")
        elif not _says_the_same(our, their):
            faults.append(f"step {step}: {our}\n  theirs {their}")
    return faults


def _shape(value: Any) -> Any:
    """The answer with types for values; errors are compared as words."""
    if isinstance(value, dict):
        return {
            name: _shape(each)
            for name, each in sorted(value.items())
            if name not in ("errors", "warnings", "backup_info")
        }
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return type(value).__name__


def _says_the_same(ours: Any, theirs: Any) -> bool:
    """Flags, plaintexts, hashes and errors are the same; ours may say more after the same words."""
    if isinstance(ours, dict):
        stable = ("plaintext", "valid", "sum", "exportable", "derived", "type", "latest_version")
        stable += ("min_decryption_version", "min_encryption_version", "min_available_version")
        stable += ("deletion_allowed", "soft_deleted", "key_version", "reference")
        stable += ("auto_rotate_period", "allow_plaintext_backup", "imported_key", "key_size")
        fresh = "ciphertext" in ours and "plaintext" in ours
        return (
            _same_words(ours.get("errors"), theirs.get("errors"))
            and _same_words([ours.get("error", "")], [theirs.get("error", "")])
            and all(ours.get(name) == theirs.get(name) for name in stable if not fresh)
            and bool(ours.get("warnings")) == bool(theirs.get("warnings"))
            and all(
                _says_the_same(each, theirs[name])
                for name, each in ours.items()
                if isinstance(each, dict | list)
                and name not in ("errors", "warnings", "backup_info")
            )
        )
    if isinstance(ours, list):
        return all(_says_the_same(*pair) for pair in zip(ours, theirs, strict=True))
    return True


def _same_words(ours: list[str] | None, theirs: list[str] | None) -> bool:
    if not ours or not theirs:
        # Where the engine says nothing about what is not there, ours says what.
        return not theirs
    wrapped = _WRAPPED.match(theirs[0])
    said = wrapped[1] if wrapped else theirs[0]
    return ours[0].startswith(said) or (ours[0] != "" and said.startswith(ours[0]))
