"""The examples of the how-to guide run, each as it stands, against a running secvault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.conftest import Server

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "python-client.md"
EXAMPLES = dict(
    re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", GUIDE.read_text(), re.M | re.S
    )
)
PRINTED = {
    "One value": "31500000\ndoes not open elsewhere: 400\n",
    "Many values": "b'a'\nb'b'\n('invalid ciphertext: could not decode base64',)\n1000\n",
    "SQLAlchemy": "0312300042\n1000\n",
    "Django": "0312300042 1000\n",
}


@pytest.mark.parametrize("title", PRINTED)
def test_an_example_prints_what_it_should(title: str, secvault_server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[title]],
        env={
            **os.environ,
            "SECVAULT_ADDR": secvault_server.address,
            "SECVAULT_TOKEN": secvault_server.token,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == PRINTED[title]


def test_every_example_is_run() -> None:
    assert set(EXAMPLES) == set(PRINTED)
