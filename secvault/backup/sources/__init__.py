"""What a plan saves beside secvault itself: one module for each kind of source.

Promises: a source is staged whole or not at all: a dump that fails half-way raises, and leaves
nothing that would be saved. Secrets reach programs by files and the environment of the child only.
Needs the settings of `secvault.config.backup_sources`. Start reading at `source`, then `kinds`.
"""
