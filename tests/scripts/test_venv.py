"""scripts/venv installs what a lock pins, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "venv"

PYPROJECT = """
[project]
name = "thing"
version = "1"
[project.scripts]
thing = "thing.face:run"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one command, whose locks pin `little`, which lies in a folder beside it."""
    root = tmp_path / "project"
    for folder in ("scripts", "requirements", "thing", "wheels"):
        (root / folder).mkdir(parents=True)
    shutil.copy(SCRIPT, root / "scripts" / "venv")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "thing" / "__init__.py").touch()
    (root / "thing" / "face.py").write_text(
        "import little\ndef run():\n    print('little', little.VERSION)\n    return 3\n"
    )
    for name in ("service", "test"):
        pin(root, name, "1.0")
    (root / "requirements" / "htmx.txt").touch()
    return root


def pin(root: Path, lock: str, version: str, digest: str | None = None) -> None:
    """Make the wheel of `little` in this version and let the lock pin it."""
    info = f"little-{version}.dist-info"
    wheel = root / "wheels" / f"little-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("little.py", f"VERSION = '{version}'\n")
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: little\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    (root / "requirements" / f"{lock}.txt").write_text(
        f"little=={version} \\\n    --hash=sha256:{digest}\n"
    )


def venv(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(root / "wheels")}
    return subprocess.run(
        [root / "scripts" / "venv", *arguments],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        check=False,
    )


def thing(root: Path) -> tuple[int, str]:
    """What the installed command does when it is called from another folder."""
    done = subprocess.run(
        [root / ".venv" / "bin" / "thing"], cwd="/", capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.slow
def test_the_command_works_and_a_second_run_does_nothing_until_the_lock_changes(
    project: Path,
) -> None:
    first = venv(project)
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert "installing requirements/service.txt into .venv" in first.stderr
    assert thing(project) == (3, "little 1.0\n")

    assert (venv(project).returncode, venv(project).stderr) == (0, "")

    pin(project, "service", "2.0")
    assert "installing" in venv(project).stderr
    assert thing(project) == (3, "little 2.0\n")


@pytest.mark.slow
def test_what_the_tests_need_is_enough_for_the_service(project: Path) -> None:
    assert "installing requirements/test.txt" in venv(project, "test").stderr
    assert venv(project, "service").stderr == ""
    assert venv(project, "test").stderr == ""


@pytest.mark.slow
def test_a_package_with_another_hash_is_refused_every_time(project: Path) -> None:
    pin(project, "service", "1.0", digest="0" * 64)
    for _ in range(2):
        refused = venv(project)
        assert refused.returncode == 2
        assert "DO NOT MATCH THE HASHES" in refused.stderr
        assert "pip could not install requirements/service.txt" in refused.stderr


@pytest.mark.parametrize("arguments", [("production",), ("service", "test"), ("../test",)])
def test_wrong_usage_says_what_to_give(arguments: tuple[str, ...], project: Path) -> None:
    done = venv(project, *arguments)
    assert (done.returncode, "usage: scripts/venv" in done.stderr) == (2, True)
    assert not (project / ".venv").exists()
