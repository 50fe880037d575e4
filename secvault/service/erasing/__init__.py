"""What must go, and what must not: erasures, legal holds, runs of retention, and what is held.

Promises: nothing is erased without a reason and the approval of a second person, nor while a hold
is on it; what is erased is gone from this database with its data key, and from the backups after
the days that `backup.keys_days` states; each erasure leaves signed evidence. Start reading at
`secvault.service.erasing.erasures`.
"""
