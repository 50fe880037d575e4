"""Taking records away as files, with a signed manifest of what was taken, by whom and why.

Two ways: `as_shown`, what somebody may see in clear or masked, and `deidentified`, what an analyst
may have of people whom nobody should know again. Both answer with an `Underway`: its parts are the
file; only when they have all been taken does `finish` sign the manifest and put the export on
record. That it was begun is on record before the first part.
"""
