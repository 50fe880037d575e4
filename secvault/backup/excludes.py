"""What a backup leaves out: patterns as restic reads them, and the same answer without restic.

A pattern is a path whose parts may hold `*`, `?`, `[a-z]`, `[^a-z]` and `\\` before a character
that stands for itself; a part that is `**` stands for any number of folders, none included. It
leaves out what it matches with all that lies below. Without a slash in front it matches anywhere;
with `!` in front it takes back what an earlier one left out. Source: restic's documentation,
"Excluding Files", and Go's `path/filepath.Match`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

ANY = "**"
MOST_ANY = 4
"""How many `**` may stand inside one pattern: restic is given a variant for each choice of them."""
_SPECIAL = re.compile(r"([\\*?\[\]])")
_END = r"(?=/|\Z)"


class Excludes:
    """The answer of restic for a list of its patterns. Raises ValueError for a malformed one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._steps: list[tuple[bool, re.Pattern[str]]] = []
        together: list[str] = []
        sign = False
        for pattern in filter(None, patterns):
            negated, body = pattern.startswith("!"), pattern.removeprefix("!")
            if together and negated is not sign:
                self._steps.append((sign, re.compile("|".join(together))))
                together = []
            sign = negated
            together.append(_expression(body))
        if together:
            self._steps.append((sign, re.compile("|".join(together))))

    def match(self, path: str) -> bool:
        """Whether this absolute path is left out. What lies in a folder that is, is too."""
        out = False
        for negated, expression in self._steps:
            if out is negated and expression.search(path):
                out = not negated
        return out


def literal(path: Path | str) -> str:
    """The pattern of this one absolute path."""
    return _SPECIAL.sub(r"\\\1", str(path))


def for_restic(pattern: str) -> tuple[str, ...]:
    """The pattern as restic understands it with each `**` also standing for no folder.

    restic counts every `**` but the first as one folder at least. Raises ValueError.
    """
    negation, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    _expression(body)
    parts = _parts(body)
    if not body.startswith("/"):
        while len(parts) > 1 and parts[0] == ANY:
            parts = parts[1:]
    while len(parts) > 1 and parts[-1] == ANY:
        parts = parts[:-1]
    inside = [at for at, part in enumerate(parts) if part == ANY]
    if len(inside) > MOST_ANY:
        raise ValueError(f"has more than {MOST_ANY} times ** in it")
    lead = "/" if body.startswith("/") else ""
    variants = []
    for chosen in product((True, False), repeat=len(inside)):
        dropped = {at for at, kept in zip(inside, chosen, strict=True) if not kept}
        kept = [part for at, part in enumerate(parts) if at not in dropped]
        if kept:
            variants.append(negation + lead + "/".join(kept))
    return tuple(dict.fromkeys(variants))


def below(pattern: str, roots: Sequence[Path]) -> tuple[str, ...]:
    """The pattern made to hold below these absolute paths only, for `for_restic` and `Excludes`.

    Raises ValueError for a malformed one, and for one that begins with a slash and with none of the
    paths.
    """
    negation, body = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    _expression(body)
    if body.startswith("/"):
        parts = _parts(body)
        for root in roots:
            own = list(root.parts[1:])
            if len(parts) > len(own) and parts[: len(own)] in (own, _parts(literal(root))):
                rest = "/".join(parts[len(own) :])
                return (f"{negation}{literal(root)}/{rest}",)
        raise ValueError("begins with a slash, and with none of the paths that it is for")
    parts = _parts(body)
    while len(parts) > 1 and parts[0] == ANY:
        parts = parts[1:]
    tail = "/".join(parts)
    return tuple(f"{negation}{literal(root).rstrip('/')}/{ANY}/{tail}" for root in roots)


def _parts(body: str) -> list[str]:
    cleaned = posixpath.normpath("/" + body if body.startswith("/") else body)
    return [part for part in cleaned.split("/") if part]


def _expression(body: str) -> str:
    """A regular expression that finds the pattern in an absolute path."""
    parts = _parts(body)
    whole = "".join(r"(?:/[^/]+)*" if part == ANY else f"/{_component(part)}" for part in parts)
    anchor = r"\A" if body.startswith("/") or parts == [ANY] else ""
    if not parts:
        return r"\A/"
    return f"(?:{anchor}{whole}{_END})"


def _component(text: str) -> str:
    pieces: list[list[str]] = [[]]
    at = 0
    while at < len(text):
        one = text[at]
        if one == "*":
            pieces.append([])
        elif one == "?":
            pieces[-1].append("[^/]")
        elif one == "[":
            expression, at = _class(text, at + 1)
            pieces[-1].append(expression)
            continue
        else:
            if one == "\\":
                at += 1
                if at == len(text):
                    raise ValueError("ends with a backslash")
            pieces[-1].append(re.escape(text[at]))
        at += 1
    first, *others = map("".join, pieces)
    if not others:
        return first
    # Each piece where it is first found, as that leaves most to the others: to try further places
    # for each, as `[^/]*` alone would, takes years for a dozen asterisks.
    *inner, last = others
    return f"{first}{''.join(f'(?>[^/]*?{piece})' for piece in inner if piece)}[^/]*{last}"


def _class(text: str, at: int) -> tuple[str, int]:
    """What stands in brackets from `at` on, and where it ends."""
    negated = text[at : at + 1] == "^"
    at += negated
    ranges: list[str] = []
    while not (ranges and text[at : at + 1] == "]"):
        low, at = _character(text, at)
        high = low
        if text[at : at + 1] == "-":
            high, at = _character(text, at + 1)
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
    within = "".join(ranges)
    if negated:
        return (f"[^/{within}]" if within else "[^/]"), at + 1
    return (f"(?!/)[{within}]" if within else r"(?!)"), at + 1


def _character(text: str, at: int) -> tuple[str, int]:
    if text[at : at + 1] == "\\":
        at += 1
    elif text[at : at + 1] in {"-", "]"}:
        raise ValueError("has brackets that begin with - or ], or hold nothing")
    # A bracket must end: nothing may stand last in it but the closing one.
    if at + 1 >= len(text):
        raise ValueError("has a bracket that does not end")
    return text[at], at + 1
