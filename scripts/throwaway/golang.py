"""Go and its library for transparency logs: no server, but a reader of logs that is not ours."""

from __future__ import annotations

from pathlib import Path

from throwaway.programs import find
from throwaway.site import NotStarted, Site

# Where Debian keeps the sources of Go's packages.
SOURCES = Path("/usr/share/gocode")
TLOG = SOURCES / "src/golang.org/x/mod/sumdb/tlog"


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_GO, the compiler, and SVTEST_GO_SOURCES, a GOPATH that has the library."""
    if not TLOG.is_dir():
        raise NotStarted(f"{TLOG} is not there; install golang-golang-x-mod-dev")
    compiler = find("go")
    site.run([compiler, "version"])
    return {"SVTEST_GO": compiler, "SVTEST_GO_SOURCES": str(SOURCES)}
