"""Every fault of every file is named, with the line where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from secvault.access.bundle import Bundle
from secvault.errors import ConfigurationError
from secvault.service.policies import checks
from secvault.service.policies.linting import lint_bundle, lint_folder
from tests.service.policy_house import SHIPPED, changed


def errors(bundle: Bundle) -> list[tuple[str, str]]:
    return [(one.where, one.text) for one in lint_bundle(bundle) if one.level == "error"]


def line_of(bundle: Bundle, file: str, start: str) -> int:
    lines = bundle.files[file].splitlines()
    return next(at for at, line in enumerate(lines, 1) if line.startswith(start))


def test_the_shipped_files_have_no_fault_and_nothing_to_warn_of() -> None:
    assert {one.level for one in lint_bundle(SHIPPED)} == {"note"}


def test_faults_of_all_files_and_of_all_their_parts_come_at_once_with_their_lines() -> None:
    bundle = changed(
        {
            "collections/hr.toml": lambda text: text.replace(
                'class = "identity"', 'class = "secret"', 1
            ).replace('type = "money"', 'type = "gold"', 1),
            "collections/quality.toml": lambda text: text.replace('en = "', 'xx1 = "', 1),
            "obligations.toml": lambda text: (
                text.replace('"person.enable"', '"person.enabled"')
                .replace('"key.backup"', '"key.backups"')
                .replace('"bank", ', '"banks", ')
            ),
        }
    )
    found = errors(bundle)
    secret = line_of(bundle, "collections/hr.toml", 'class = "secret"')
    gold = line_of(bundle, "collections/hr.toml", 'type = "gold"')
    assert {where for where, _ in found} == {
        f"collections/hr.toml:{secret}",
        f"collections/hr.toml:{gold}",
        f"collections/quality.toml:{line_of(bundle, 'collections/quality.toml', 'title')}",
        f"obligations.toml:{line_of(bundle, 'obligations.toml', '[[obligation]]')}",
        f"obligations.toml:{_obligation_with(bundle, 'key.backups')}",
        f"obligations.toml:{line_of(bundle, 'obligations.toml', 'classes')}",
    }


def _obligation_with(bundle: Bundle, action: str) -> int:
    """The line that the obligation begins at which names the action."""
    lines = bundle.files["obligations.toml"].splitlines()
    named = next(at for at, line in enumerate(lines, 1) if action in line)
    return max(at for at, line in enumerate(lines[:named], 1) if line == "[[obligation]]")


def test_faults_of_rows_have_their_lines() -> None:
    bundle = changed({"roles.csv": lambda text: text + "p,x\nq,y\n"})
    last = len(bundle.files["roles.csv"].splitlines())
    assert [where for where, _ in errors(bundle)] == [f"roles.csv:{last - 1}", f"roles.csv:{last}"]


def test_a_file_that_is_no_toml_is_named_with_the_line_that_the_parser_gives() -> None:
    bundle = changed({"collections/hr.toml": lambda text: "department = \n" + text})
    ((where, text),) = errors(bundle)
    assert (where, "is not TOML" in text) == ("collections/hr.toml:1", True)


def test_a_check_that_fails_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(bundle: Bundle) -> None:
        raise ConfigurationError(f"a test of {len(bundle.files)} files failed")

    monkeypatch.setattr(checks, "CHECKS", (fails,))
    assert [text for _, text in errors(SHIPPED)] == [f"a test of {len(SHIPPED.files)} files failed"]


def test_a_folder_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (found,) = lint_folder(tmp_path / "none")
    assert found.level == "error"
