"""What kits and share sheets say, one file for each language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from secvault.errors import InvalidInput

LANGUAGES = ("en", "vi")


@cache
def words(language: str) -> Mapping[str, Any]:
    """All that is said in this language. Raises InvalidInput for one that there is none of."""
    if language not in LANGUAGES:
        raise InvalidInput.at("language", f"must be one of {', '.join(LANGUAGES)}")
    return tomllib.loads(Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8"))
