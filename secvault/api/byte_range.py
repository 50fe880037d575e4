"""Ranges of bytes and preconditions over entity tags: RFC 9110, sections 13 and 14."""

from __future__ import annotations

import re

from secvault.errors import InvalidInput, PreconditionRequired, RangeNotSatisfiable

# 14.1.2: first-last, first-, or -length; a few digits more than any content has.
_RANGE = re.compile(r"bytes=[ \t]*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))[ \t]*", re.I)
# 8.8.3, and those that we give are strong.
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
ANY, NOTHING = "*", ""
_NOBODYS = '"'
_MOST_TAGS = 50


def wanted_part(asked: str | None, if_range: str | None, tag: str, size: int) -> range | None:
    """The bytes that are asked for; None for the whole content.

    asked: the header Range, of which one range is served; several, other units and what cannot be
    read are ignored, as section 14.2 allows. if_range: the header If-Range, an entity tag; after
    another tag or a date the whole content is wanted (13.1.5). Raises RangeNotSatisfiable.
    """
    if asked is None or (if_range is not None and if_range.strip() != f'"{tag}"'):
        return None
    match = _RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    if match[3] is not None:
        first, last = max(0, size - int(match[3])), size - 1
    else:
        first, last = int(match[1]), min(int(match[2] or size), size - 1)
        if match[2] and int(match[2]) < int(match[1]):
            # No range at all (14.1.1).
            return None
    if first > last:
        raise RangeNotSatisfiable(
            f"the content has {size} bytes, the first of them is 0", size=size
        )
    return range(first, last + 1)


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Whether the caller has the content already (If-None-Match, compared weakly: 13.1.2)."""
    if if_none_match is None:
        return False
    tags = _tags("If-None-Match", if_none_match)
    return tags == [ANY] or tag in tags


def expected_before(if_match: str | None, if_none_match: str | None) -> str:
    """What a caller expects to find before they change it: a tag, `ANY`, or empty for nothing.

    Raises PreconditionRequired when neither header says so, InvalidInput.
    """
    if if_none_match is not None and if_match is None:
        if if_none_match.strip() != ANY:
            raise InvalidInput.at("If-None-Match", "give * for: only where there is nothing yet")
        return NOTHING
    if if_match is None:
        raise PreconditionRequired(
            "say what you expect to be there: If-None-Match: * for nothing, "
            'If-Match: "<tag>" as in the ETag, or If-Match: * for whatever it is'
        )
    if if_none_match is not None:
        raise InvalidInput.at("If-Match", "and If-None-Match contradict each other; send one")
    tags = _tags("If-Match", if_match, strong=True)
    if len(tags) != 1:
        raise InvalidInput.at("If-Match", "give one tag, as in the ETag")
    return tags[0]


def _tags(header: str, value: str, *, strong: bool = False) -> list[str]:
    if value.strip() == ANY:
        return [ANY]
    found = []
    for part in value.split(",", _MOST_TAGS)[:_MOST_TAGS]:
        match = _TAG.fullmatch(part.strip())
        if match is None or (strong and match[1]):
            raise InvalidInput.at(header, 'give the tag as in the ETag, in quotes, or "*" without')
        # Between quotes these are tags like any other, and we give none of them.
        found.append(_NOBODYS if match[2] in (ANY, NOTHING) else match[2])
    return found
