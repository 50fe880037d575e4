"""The forms of a page, as a browser would send them."""

from __future__ import annotations

import re
from html import unescape


def fields(text: str, action: str) -> dict[str, str]:
    """What the form that goes there has filled in."""
    found = re.search(rf'<form method="post" action="{re.escape(action)}".*?</form>', text, re.S)
    assert found is not None, text
    named = re.findall(r'name="([^"]+)" value="([^"]*)"', found[0])
    return {name: unescape(value) for name, value in named}
