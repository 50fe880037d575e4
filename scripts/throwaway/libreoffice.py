"""LibreOffice Calc: no server, but a spreadsheet program that reads what we export."""

from __future__ import annotations

from throwaway.programs import find
from throwaway.site import Site


def start(site: Site) -> dict[str, str]:
    """Return SVTEST_SOFFICE, the program."""
    program = find("soffice")
    site.run([program, "--version"])
    return {"SVTEST_SOFFICE": program}
