"""secvault: guards a company's back office.

Encrypts sensitive fields, decides who may see them, backs them up and proves the restore, and
keeps an audit log that cannot be altered unnoticed. Start reading at `secvault.service`.
"""

__version__ = "0.1.0"
