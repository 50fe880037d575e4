"""Both ways of docs/how-to/own-tables.md run as they stand, against a running service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.acceptance.furnished import answering
from tests.acceptance.installation import Installation, new_installation, system_token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "own-tables.md"
EXAMPLES = dict(
    re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", GUIDE.read_text(), re.M | re.S
    )
)
HERE, OWN = "Records kept here", "Tables of your own"
PRINTED = {
    HERE: "Trần Thị Mai •••2345\n200 2\n412 Changed by somebody else in the meantime\n403\n",
    OWN: "nv-0043 0312300043\ndoes not open in another row\n{'v2'} 0312300043\n",
}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Installation, Mapping[str, str]]]:
    """The running service, and the token that each example is run with."""
    installation = new_installation(tmp_path_factory.mktemp("served"))
    with installation.opened() as service:
        tokens = {
            HERE: system_token(
                service, "front-desk", "administration", "role:administration.clerk"
            ),
            OWN: system_token(
                service, "staff-app", "it", "role:it.cryptor", "role:it.key_custodian"
            ),
        }
    with answering(installation):
        yield installation, tokens


@pytest.mark.parametrize("title", PRINTED)
def test_an_example_prints_what_it_should(
    title: str, served: tuple[Installation, Mapping[str, str]]
) -> None:
    installation, tokens = served
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[title]],
        env={
            **os.environ,
            "SECVAULT_ADDR": installation.address,
            "SECVAULT_TOKEN": tokens[title],
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[title]
    if title == HERE:
        # It was sent twice.
        page = installation.call("GET", "/api/v1/records/visitors", tokens[HERE]).json()
        assert len(page["records"]) == 1


def test_every_example_is_run() -> None:
    assert set(EXAMPLES) == set(PRINTED)
