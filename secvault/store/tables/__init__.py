"""The tables. Times are microseconds since the epoch, UTC; envelopes are described in `crypto`."""

from secvault.store.tables.access import role_grant
from secvault.store.tables.approle import approle, mfa_request, secret_id
from secvault.store.tables.audit import (
    audit_checkpoint,
    audit_event,
    audit_head,
    audit_journal,
    audit_outbox,
)
from secvault.store.tables.backup import backup_repository, backup_run, drill
from secvault.store.tables.identity import (
    hardware_token,
    passkey,
    passkey_challenge,
    person,
    recovery_code,
    recovery_set,
    service_account,
    session,
    sign_in_network,
    sign_in_place,
    stranger,
    token,
    totp_device,
)
from secvault.store.tables.jobs import job, node, rewrap_run, schedule
from secvault.store.tables.keys import (
    key_usage,
    mount,
    named_key,
    named_key_version,
    retired_root,
    vault,
)
from secvault.store.tables.records import data_key, record, record_field
from secvault.store.tables.schema import epoch, metadata

__all__ = [
    "approle",
    "audit_checkpoint",
    "audit_event",
    "audit_head",
    "audit_journal",
    "audit_outbox",
    "backup_repository",
    "backup_run",
    "data_key",
    "drill",
    "epoch",
    "hardware_token",
    "job",
    "key_usage",
    "metadata",
    "mfa_request",
    "mount",
    "named_key",
    "named_key_version",
    "node",
    "passkey",
    "passkey_challenge",
    "person",
    "record",
    "record_field",
    "recovery_code",
    "recovery_set",
    "retired_root",
    "rewrap_run",
    "role_grant",
    "schedule",
    "secret_id",
    "service_account",
    "session",
    "sign_in_network",
    "sign_in_place",
    "stranger",
    "token",
    "totp_device",
    "vault",
]
