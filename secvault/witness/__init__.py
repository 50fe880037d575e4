"""A witness: co-signs the checkpoints of transparency logs, and remembers what it has seen.

Promises: it never co-signs two states of one log of which one does not continue the other, also
when it is killed, asked by many at once, or run twice over one folder; what it answers was on disk
before. Needs a folder with its key, its list of logs and its state, and no vault: it is run by
somebody else, elsewhere. Speaks c2sp.org/tlog-witness. Start reading at
`secvault.witness.answering`.
"""
