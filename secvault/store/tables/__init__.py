"""The tables. Times are microseconds since the epoch, UTC; envelopes are described in `crypto`."""

from secvault.store.tables.access import role_grant
from secvault.store.tables.approle import approle, mfa_request, secret_id
from secvault.store.tables.approval import (
    approval,
    approval_latch,
    approval_request,
    reset_code,
    reset_code_part,
)
from secvault.store.tables.audit import (
    audit_checkpoint,
    audit_event,
    audit_head,
    audit_journal,
    audit_outbox,
)
from secvault.store.tables.backup import backup_repository, backup_run, drill
from secvault.store.tables.federation import (
    external_identity,
    federated_session,
    federation_step,
    scim_group,
    scim_group_member,
    spent_logout_token,
)
from secvault.store.tables.identity import (
    hardware_token,
    invitation,
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
from secvault.store.tables.notices import notice, notice_cursor, person_contact
from secvault.store.tables.policy import policy_version
from secvault.store.tables.records import data_key, record, record_field
from secvault.store.tables.schema import epoch, metadata

__all__ = [
    "approle",
    "approval",
    "approval_latch",
    "approval_request",
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
    "external_identity",
    "federated_session",
    "federation_step",
    "hardware_token",
    "invitation",
    "job",
    "key_usage",
    "metadata",
    "mfa_request",
    "mount",
    "named_key",
    "named_key_version",
    "node",
    "notice",
    "notice_cursor",
    "passkey",
    "passkey_challenge",
    "person",
    "person_contact",
    "policy_version",
    "record",
    "record_field",
    "recovery_code",
    "recovery_set",
    "reset_code",
    "reset_code_part",
    "retired_root",
    "rewrap_run",
    "role_grant",
    "schedule",
    "scim_group",
    "scim_group_member",
    "secret_id",
    "service_account",
    "session",
    "sign_in_network",
    "sign_in_place",
    "spent_logout_token",
    "stranger",
    "token",
    "totp_device",
    "vault",
]
