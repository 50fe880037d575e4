"""rsyslog, a receiver of syslog messages: its program; a test starts it with its own settings."""

from __future__ import annotations

from throwaway.programs import find
from throwaway.site import Site


def start(_site: Site) -> dict[str, str]:
    """Return SVTEST_RSYSLOGD, the program."""
    return {"SVTEST_RSYSLOGD": find("rsyslogd")}
