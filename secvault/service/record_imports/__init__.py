"""Importing files of records: taken in, checked, stored in batches, taken up again after a kill.

Promised: each row of a file is stored once, or not at all and then said why; nobody writes by a
file what they could not write by hand, at the start and at each batch; the file lies sealed until
the import ends, and is lost then. Start at `requests.start_import`; the work itself is in
`running`.
"""
