"""Restore drills: proof, by doing it, that a plan's snapshots come back and can be used.

Promises: what is restored goes into secvault's own scratch space and servers of its own, never into
production; it is removed whatever happens, also after a kill; a drill that did not end has not
passed; what was not tested is said. Needs `secvault.backup.engine`, and from the service the levels
that look into secvault's own copy. Start reading at `result`, then `ground`, then `work`.
"""
