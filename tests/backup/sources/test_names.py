"""File names for databases of any name."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from secvault.backup.sources.names import file_name, stand_in

# Whatever a server or an administrator may have called a database; surrogates are no text.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)


@given(name=NAMES)
def test_a_name_becomes_one_plain_file_name(name: str) -> None:
    file = file_name(name, ".dump")
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+\.dump", file)
    assert len(file) <= 200


@given(first=NAMES, second=NAMES)
def test_different_names_get_different_files(first: str, second: str) -> None:
    assert (file_name(first, ".sql") == file_name(second, ".sql")) == (first == second)


def test_names_that_differ_only_late_are_told_apart() -> None:
    assert file_name("ư" * 64, ".sql") != file_name("ư" * 63 + "ơ", ".sql")
    assert len(file_name("ư" * 64, ".sql")) <= 200


def test_a_stand_in_is_the_same_for_the_same_and_fits_every_server() -> None:
    assert stand_in("load", "erp") == stand_in("load", "erp") != stand_in("load", "ERP")
    assert re.fullmatch(r"[a-z0-9_]{1,40}", stand_in("before", "Lương" * 20))
