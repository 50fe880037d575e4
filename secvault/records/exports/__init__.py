"""Records as files for other programs: CSV, Excel, JSON Lines, Parquet; in clear or de-identified.

What comes in are rows of cells that somebody may see; nothing here decides about rights. Start at
`writer.open_writer` for files, at `treatment.Treatment` for de-identified rows. Memory does not
grow with the number of rows but for Excel, whose workbooks have a limit; nothing lies on disk.
"""
