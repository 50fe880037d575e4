"""The recovery kit: all that is needed after a total loss, sealed for k of n people.

Promises: the kit opens with k shares, and with fewer tells nothing; what stands in it in clear
names places and steps, never a secret; it says when it is stale. Pure formats and pages: the
service fills it (`secvault.service.recovery_kits`), and a bare machine opens it
(`secvault.service.recovering`). Start reading at `kit`.
"""
