"""Files of records: CSV, Excel workbooks and JSON Lines, read row by row into values of fields.

What a file holds is hostile until its schema has parsed it, and sensitive from its first byte: it
is read in a process of its own that may use so much memory and time (`program`), no error repeats
what stands in a cell, and an uploaded file is kept under a data key that is destroyed in the end
(`source`). Start at `reading.rows_of`; how far an import is, is in `import_row`.
"""
