"""Access reviews: a frozen population of grants, each decided by somebody else than its holder.

Promises: what is reviewed is what was true at one moment; nobody reviews themselves; a decision
acts on the grant in its own transaction; what nobody reviewed lapses exactly once; no lapse leaves
fewer than two who can approve, or no administrator; the end is a signed document. Start reading at
`operations.start`.
"""
