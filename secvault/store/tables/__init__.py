"""The tables. Times are microseconds since the epoch, UTC; envelopes are described in `crypto`."""

from secvault.store.tables.access import (
    role_activation,
    role_eligibility,
    role_grant,
    role_grant_end,
    role_grant_warning,
)
from secvault.store.tables.approle import approle, mfa_request, secret_id
from secvault.store.tables.approval import (
    approval,
    approval_latch,
    approval_request,
    reset_code,
    reset_code_part,
)
from secvault.store.tables.attachments import attachment
from secvault.store.tables.audit import (
    audit_checkpoint,
    audit_event,
    audit_head,
    audit_journal,
    audit_node,
    audit_outbox,
)
from secvault.store.tables.audit_archive import audit_archive, audit_archiving, audit_leaves
from secvault.store.tables.audit_personal import audit_personal, audit_subject_key
from secvault.store.tables.audit_publication import (
    audit_publication,
    audit_published,
    audit_signing_key,
)
from secvault.store.tables.audit_questions import audit_question
from secvault.store.tables.audit_witness import audit_cosignature, audit_witness
from secvault.store.tables.backup import (
    backup_repository,
    backup_run,
    drill,
    drill_order,
    drill_scenario,
)
from secvault.store.tables.backup_insight import (
    backup_anomaly,
    backup_catalogue,
    backup_measure,
    backup_numbers,
    backup_ping,
    backup_snapshot,
    backup_told,
    backup_watch,
)
from secvault.store.tables.backup_plan import backup_plan, backup_plan_secret
from secvault.store.tables.backup_repositories import backup_copy, stored_repository
from secvault.store.tables.backup_restore import backup_restore
from secvault.store.tables.backup_runs import (
    backup_check,
    backup_checked,
    backup_part,
    backup_step,
)
from secvault.store.tables.collection_schema import collection_schema, migration_run
from secvault.store.tables.erasure import (
    erased_record,
    erased_subject,
    erasure,
    keys_here,
    legal_hold,
    retention_item,
    retention_run,
)
from secvault.store.tables.exports import record_export
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
from secvault.store.tables.imports import (
    record_import,
    record_import_fault,
    record_import_part,
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
from secvault.store.tables.reading import idempotency_key, record_reveal
from secvault.store.tables.record_index import record_index, record_index_version
from secvault.store.tables.records import data_key, record, record_facts, record_field
from secvault.store.tables.recovery import recovery_kit, recovery_place, recovery_shares
from secvault.store.tables.reviews import (
    break_glass_incident,
    review_campaign,
    review_item,
    review_told,
    rule_use,
    use_cursor,
)
from secvault.store.tables.schema import epoch, metadata
from secvault.store.tables.separation import (
    object_actor,
    record_release,
    separation_exception,
    separation_finding,
)
from secvault.store.tables.streams import (
    audit_alert,
    audit_control,
    audit_count,
    audit_stream,
    audit_watch,
)

__all__ = [
    "approle",
    "approval",
    "approval_latch",
    "approval_request",
    "attachment",
    "audit_alert",
    "audit_archive",
    "audit_archiving",
    "audit_checkpoint",
    "audit_control",
    "audit_cosignature",
    "audit_count",
    "audit_event",
    "audit_head",
    "audit_journal",
    "audit_leaves",
    "audit_node",
    "audit_outbox",
    "audit_personal",
    "audit_publication",
    "audit_published",
    "audit_question",
    "audit_signing_key",
    "audit_stream",
    "audit_subject_key",
    "audit_watch",
    "audit_witness",
    "backup_anomaly",
    "backup_catalogue",
    "backup_check",
    "backup_checked",
    "backup_copy",
    "backup_measure",
    "backup_numbers",
    "backup_part",
    "backup_ping",
    "backup_plan",
    "backup_plan_secret",
    "backup_repository",
    "backup_restore",
    "backup_run",
    "backup_snapshot",
    "backup_step",
    "backup_told",
    "backup_watch",
    "break_glass_incident",
    "collection_schema",
    "data_key",
    "drill",
    "drill_order",
    "drill_scenario",
    "epoch",
    "erased_record",
    "erased_subject",
    "erasure",
    "external_identity",
    "federated_session",
    "federation_step",
    "hardware_token",
    "idempotency_key",
    "invitation",
    "job",
    "key_usage",
    "keys_here",
    "legal_hold",
    "metadata",
    "mfa_request",
    "migration_run",
    "mount",
    "named_key",
    "named_key_version",
    "node",
    "notice",
    "notice_cursor",
    "object_actor",
    "passkey",
    "passkey_challenge",
    "person",
    "person_contact",
    "policy_version",
    "record",
    "record_export",
    "record_facts",
    "record_field",
    "record_import",
    "record_import_fault",
    "record_import_part",
    "record_index",
    "record_index_version",
    "record_release",
    "record_reveal",
    "recovery_code",
    "recovery_kit",
    "recovery_place",
    "recovery_set",
    "recovery_shares",
    "reset_code",
    "reset_code_part",
    "retention_item",
    "retention_run",
    "retired_root",
    "review_campaign",
    "review_item",
    "review_told",
    "rewrap_run",
    "role_activation",
    "role_eligibility",
    "role_grant",
    "role_grant_end",
    "role_grant_warning",
    "rule_use",
    "schedule",
    "scim_group",
    "scim_group_member",
    "secret_id",
    "separation_exception",
    "separation_finding",
    "service_account",
    "session",
    "sign_in_network",
    "sign_in_place",
    "spent_logout_token",
    "stored_repository",
    "stranger",
    "token",
    "totp_device",
    "use_cursor",
    "vault",
]
