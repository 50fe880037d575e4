"""Notices: people are told what happens to their accounts, administrators what needs their eyes.

Promises: what the audit log holds of the kinds in `rules` becomes a notice for each who is to know,
exactly once, whatever is killed; a notice is delivered at least once or given up in the open, with
the reason; none holds a secret, an address or a value; no request waits for one. Needs the store,
the audit log, and the addresses of the settings. Importing it costs nothing; apprise is loaded by
the first delivery. Start reading at `rules`, then `outbox` and `channel`.
"""
