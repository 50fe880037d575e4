"""Scenario drills that need the vault itself: its keys, its people, its recovery kit.

Promises: as `secvault.backup.drills.scenarios`. What people do in them (giving shares, breaking the
glass) is done on a copy, which nobody else can reach and which is gone afterwards. Start reading at
`plays`.
"""
