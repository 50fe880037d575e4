"""Parts of a snapshot brought back: to a place of their own, or to where they came from.

Promises: everything is fetched into secvault's own scratch space first and compared with the
manifest there; only then is it put in place, file by file, and never over what is there unless that
was ordered. No link on the way is followed, and nothing of secvault itself is ever written over.
Needs `secvault.backup.engine` and, for databases, `secvault.backup.sources.kinds`. Start reading at
`order`, then `restoring`.
"""
