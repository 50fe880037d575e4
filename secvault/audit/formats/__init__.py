"""Events as files that other programs read: CSV, Excel, JSON Lines, Parquet, OCSF, CEF.

A file has all that an event has; nothing in it is a formula to a spreadsheet. Memory does not grow
with the number of events. Start at `FORMATS`.
"""

from secvault.audit.formats.format import FORMATS, ExportFacts, Format, format_named

__all__ = ("FORMATS", "ExportFacts", "Format", "format_named")
