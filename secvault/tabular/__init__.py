"""Rows of cells as files for other programs: CSV, Excel, JSON Lines, Parquet.

What records and the audit log are exported with: no text becomes a formula in a spreadsheet, and
programs read the types back. Nothing here knows what the rows are about. Start at
`writer.open_writer`.
"""
