"""What a schema may say of a field that holds files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secvault.errors import ConfigurationError
from secvault.records.collection_files import parse_collections
from secvault.records.content_type import LARGEST_CONTENT
from secvault.records.value import Limits

FILE = """
department = "hr"
title = { en = "Human resources" }
[collections.contracts]
title = { en = "Contracts" }
[collections.contracts.fields.document]
title = { en = "Scan" }
type = "attachment"
class = "personal"
mask = "hidden"
"""


def limits(more: str) -> Limits:
    found = parse_collections({"hr.toml": f"{FILE}{more}\n"})
    return found["contracts"].fields["document"].limits


def test_types_and_size_are_read() -> None:
    said = limits('types = ["application/pdf", "image/png"]\nmax_bytes = 5000')
    assert said == replace(Limits(), types=("application/pdf", "image/png"), max_bytes=5000)
    assert (limits("").types, limits("").max_bytes) == ((), None)


@pytest.mark.parametrize(
    ("more", "mend"),
    [
        ('types = ["application/x-msdownload"]', "document.types: .* is none of application/pdf"),
        ('types = ["text/html"]', "document.types"),
        ('types = "application/pdf"', "document.types"),
        ("max_bytes = 0", "document.max_bytes"),
        (f"max_bytes = {LARGEST_CONTENT + 1}", "document.max_bytes"),
        ("max_length = 5", "document.max_length: is not known"),
    ],
)
def test_what_no_file_can_be_is_refused_at_its_key(more: str, mend: str) -> None:
    with pytest.raises(ConfigurationError, match=mend):
        limits(more)
