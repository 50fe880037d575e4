"""Bringing secvault back on an empty machine: from the recovery kit, k shares and the storage.

Promises: nothing of the old machine is needed or assumed; the repositories are read without a
lock, and a rehearsal writes to nothing outside of its own folder and tells nobody anything; what
comes back has no open session, waits for no old job and signs its log under a new origin, for the
log that was lost went on. Every step can be done again after a kill. Start reading at `work`, then
`guided`.
"""
