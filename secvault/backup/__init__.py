"""Backups that are proven: restic repositories, runs, restores, drills.

Promises: a run saves secvault's database as of one moment, its policies and the plan's folders,
encrypted, with a manifest of every file's hash; a backup alone opens nothing; a drill restores the
newest snapshot, proves it and signs what it measured; no secret is in an argument list. Needs the
restic program, an open store and a clock. Start reading at `secvault.backup.run`, then `drill`.
"""
