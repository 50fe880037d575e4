"""The HTTP face: native paths under /api/v1, Vault-compatible ones under /v1, health.

Promises: every route declares its action and resource or why it is open; every error is a
problem document (on /v1 the transit engine's form) that leaks nothing; no answer carries data
before its audit entry is on disk. Needs an open service. Start reading at `secvault.api.app`.
"""
