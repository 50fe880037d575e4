"""How much scratch space the servers of a drill need, by what the manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from secvault.backup.manifest import Manifest

# An empty server with its logs, which are bounded by their settings.
_EMPTY = {"postgresql": 400 << 20, "mariadb": 300 << 20}
# Of a dump of which nothing else is known: its tables with their indexes, and what sorting takes.
_OF_THE_DUMP = 6
# Of a database whose size on the server was recorded: the same once more for sorting.
_OF_THE_SIZE = 2
# An empty table with its indexes, whose files are no smaller than this.
_TABLE = 256 << 10


def needed(manifest: Manifest) -> int:
    """Bytes beside the restored files: one source is loaded at a time, its databases together."""
    return max((_of(entry.kind, entry.facts) for entry in manifest.sources), default=0)


def _of(kind: str, facts: Mapping[str, Any]) -> int:
    if kind not in _EMPTY:
        return 0
    databases = facts.get("databases")
    each = databases.values() if isinstance(databases, dict) else ()
    return _EMPTY[kind] + sum(_taken(one) for one in each if isinstance(one, dict))


def _taken(one: Mapping[str, Any]) -> int:
    tables = one.get("tables")
    return _content(one) + _TABLE * (len(tables) if isinstance(tables, dict) else 0)


def _content(one: Mapping[str, Any]) -> int:
    size, dump = (one.get(key) for key in ("size", "bytes"))
    dump = dump if isinstance(dump, int) else 0
    if isinstance(size, int) and size > 0:
        return max(size, dump) * _OF_THE_SIZE
    return dump * _OF_THE_DUMP
