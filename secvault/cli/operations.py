"""The operations behind the commands, each room imported when a command first names it.

`operations.people.list_people(...)` reads like an import at the top of the file, and is checked
like one; but `secvault --help` pays for none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secvault import config, log
    from secvault.access import (
        bundle,
        difference,
        matcher,
        policytest,
        remedies,
        rules,
        scope,
        vocabulary,
    )
    from secvault.audit import event, leaf, proofs, query, verify_export
    from secvault.audit.questions import own as own_questions
    from secvault.audit.questions import saved as saved_questions
    from secvault.backup import repository, restic_answers, restic_looking
    from secvault.backup.drills import evidence as drill_evidence
    from secvault.backup.drills import files as drill_files
    from secvault.backup.drills import order as drill_orders
    from secvault.cli import selfcheck
    from secvault.crypto import canonical, evidence, log_policy, note
    from secvault.identity import directory, networks, placement, qr, secret_ids, totp
    from secvault.identity import people as persons
    from secvault.jobs import occurrences
    from secvault.keyring.seals import configured as seal_files
    from secvault.records import attachment, collection_files, content_type
    from secvault.records import hold as hold_rows
    from secvault.records import retention_run as retention_rows
    from secvault.records.exports import manifest as export_manifest
    from secvault.records.imports import spec as import_spec
    from secvault.recovery import codes as kit_codes
    from secvault.recovery import opening as kit_opening
    from secvault.recovery import share_sheet
    from secvault.recovery import words as kit_words
    from secvault.service import (
        access_documents,
        activation,
        approles,
        attachment_collection,
        attachment_upload,
        attachments,
        audit_archives,
        audit_export,
        audit_keys,
        audit_log,
        audit_proofs,
        audit_publications,
        audit_questions,
        audit_reports,
        audit_rollback,
        audit_standing,
        audit_streams,
        audit_witnesses,
        authentication,
        backup_checks,
        backup_copies,
        backup_plans,
        backup_programs,
        backup_restores,
        backup_runs,
        backup_snapshots,
        backup_status,
        backups,
        bootstrap,
        circumstances,
        contacts,
        detecting,
        drill_endings,
        drill_reports,
        drill_scenarios,
        drill_standing,
        drills,
        eligibilities,
        entitlements,
        explanations,
        factors,
        federation,
        grants,
        hardware_tokens,
        invitations,
        key_limits,
        key_usage,
        leaked_tokens,
        lost_factors,
        notifications,
        opening,
        own_factors,
        passkey_sign_in,
        past,
        people,
        people_file,
        reauthentication,
        record_history,
        record_indexes,
        record_search,
        records,
        recovery,
        recovery_kit_status,
        recovery_kits,
        rejoining,
        replays,
        repositories,
        repository_access,
        repository_passwords,
        resets,
        reveals,
        rewrap_runs,
        rewrapping,
        role_activation,
        role_requests,
        sample_data,
        schema_migration_runs,
        schema_migrations,
        seals,
        separation_review,
        sessions,
        spans,
        spine,
        systems,
        token_life,
        token_policies,
        transit,
        working,
    )
    from secvault.service.approvals import operations as approvals
    from secvault.service.break_glass import operations as break_glass
    from secvault.service.break_glass import recovery as recovery_by_seal
    from secvault.service.drill_scenes import plays as drill_plays
    from secvault.service.erasing import erasures, holds, retention_runs, subject_report
    from secvault.service.erasing import evidence as erasure_evidence
    from secvault.service.erasing import target as erasure_target
    from secvault.service.policies import linting as policy_linting
    from secvault.service.policies import offline as policy_offline
    from secvault.service.policies import operations as policies
    from secvault.service.policies import published
    from secvault.service.record_exports import as_shown as exports_as_shown
    from secvault.service.record_exports import asked as exports_asked
    from secvault.service.record_exports import deidentified as exports_deidentified
    from secvault.service.record_imports import fault_sheet
    from secvault.service.record_imports import requests as imports
    from secvault.service.record_imports import running as import_running
    from secvault.service.recovering import guided as recovery_guided
    from secvault.service.recovering import incident as recovery_incident
    from secvault.service.recovering import place as recovering_place
    from secvault.service.recovering import work as recovering
    from secvault.service.reviews import campaigns as review_campaigns
    from secvault.service.reviews import decisions as review_decisions
    from secvault.service.reviews import evidence as review_evidence
    from secvault.service.reviews import facts as review_facts
    from secvault.service.reviews import operations as reviews
    from secvault.service.reviews import page as review_page
    from secvault.service.reviews import reports as review_reports
    from secvault.service.reviews import starting as review_starting
    from secvault.service.sealing import client as sealing
    from secvault.service.sealing import running as sealer
    from secvault.service.sealing import visit
    from secvault.store import engine, migrate
    from secvault.tabular import writer as export_formats
    from secvault.witness import answering as witness_answering
    from secvault.witness import key as witness_key
    from secvault.witness import logs as witness_logs
    from secvault.witness import state as witness_state

__all__ = [
    "access_documents",
    "activation",
    "approles",
    "approvals",
    "attachment",
    "attachment_collection",
    "attachment_upload",
    "attachments",
    "audit_archives",
    "audit_export",
    "audit_keys",
    "audit_log",
    "audit_proofs",
    "audit_publications",
    "audit_questions",
    "audit_reports",
    "audit_rollback",
    "audit_standing",
    "audit_streams",
    "audit_witnesses",
    "authentication",
    "backup_checks",
    "backup_copies",
    "backup_plans",
    "backup_programs",
    "backup_restores",
    "backup_runs",
    "backup_snapshots",
    "backup_status",
    "backups",
    "bootstrap",
    "break_glass",
    "bundle",
    "canonical",
    "circumstances",
    "collection_files",
    "config",
    "contacts",
    "content_type",
    "detecting",
    "difference",
    "directory",
    "drill_endings",
    "drill_evidence",
    "drill_files",
    "drill_orders",
    "drill_plays",
    "drill_reports",
    "drill_scenarios",
    "drill_standing",
    "drills",
    "eligibilities",
    "engine",
    "entitlements",
    "erasure_evidence",
    "erasure_target",
    "erasures",
    "event",
    "evidence",
    "explanations",
    "export_formats",
    "export_manifest",
    "exports_as_shown",
    "exports_asked",
    "exports_deidentified",
    "factors",
    "fault_sheet",
    "federation",
    "grants",
    "hardware_tokens",
    "hold_rows",
    "holds",
    "import_running",
    "import_spec",
    "imports",
    "invitations",
    "key_limits",
    "key_usage",
    "kit_codes",
    "kit_opening",
    "kit_words",
    "leaf",
    "leaked_tokens",
    "log",
    "log_policy",
    "lost_factors",
    "matcher",
    "migrate",
    "networks",
    "note",
    "notifications",
    "occurrences",
    "opening",
    "own_factors",
    "own_questions",
    "passkey_sign_in",
    "past",
    "people",
    "people_file",
    "persons",
    "placement",
    "policies",
    "policy_linting",
    "policy_offline",
    "policytest",
    "proofs",
    "published",
    "qr",
    "query",
    "reauthentication",
    "record_history",
    "record_indexes",
    "record_search",
    "records",
    "recovering",
    "recovering_place",
    "recovery",
    "recovery_by_seal",
    "recovery_guided",
    "recovery_incident",
    "recovery_kit_status",
    "recovery_kits",
    "rejoining",
    "remedies",
    "replays",
    "repositories",
    "repository",
    "repository_access",
    "repository_passwords",
    "resets",
    "restic_answers",
    "restic_looking",
    "retention_rows",
    "retention_runs",
    "reveals",
    "review_campaigns",
    "review_decisions",
    "review_evidence",
    "review_facts",
    "review_page",
    "review_reports",
    "review_starting",
    "reviews",
    "rewrap_runs",
    "rewrapping",
    "role_activation",
    "role_requests",
    "rules",
    "sample_data",
    "saved_questions",
    "schema_migration_runs",
    "schema_migrations",
    "scope",
    "seal_files",
    "sealer",
    "sealing",
    "seals",
    "secret_ids",
    "selfcheck",
    "separation_review",
    "sessions",
    "share_sheet",
    "spans",
    "spine",
    "subject_report",
    "systems",
    "token_life",
    "token_policies",
    "totp",
    "transit",
    "verify_export",
    "visit",
    "vocabulary",
    "witness_answering",
    "witness_key",
    "witness_logs",
    "witness_state",
    "working",
]

# Where a room lies that is not a file of `secvault.service`.
_ELSEWHERE = {
    "approvals": "secvault.service.approvals.operations",
    "attachment": "secvault.records.attachment",
    "break_glass": "secvault.service.break_glass.operations",
    "bundle": "secvault.access.bundle",
    "canonical": "secvault.crypto.canonical",
    "collection_files": "secvault.records.collection_files",
    "config": "secvault.config",
    "content_type": "secvault.records.content_type",
    "difference": "secvault.access.difference",
    "directory": "secvault.identity.directory",
    "drill_evidence": "secvault.backup.drills.evidence",
    "drill_files": "secvault.backup.drills.files",
    "drill_plays": "secvault.service.drill_scenes.plays",
    "drill_orders": "secvault.backup.drills.order",
    "engine": "secvault.store.engine",
    "erasure_evidence": "secvault.service.erasing.evidence",
    "erasure_target": "secvault.service.erasing.target",
    "erasures": "secvault.service.erasing.erasures",
    "event": "secvault.audit.event",
    "evidence": "secvault.crypto.evidence",
    "export_formats": "secvault.tabular.writer",
    "export_manifest": "secvault.records.exports.manifest",
    "exports_as_shown": "secvault.service.record_exports.as_shown",
    "exports_asked": "secvault.service.record_exports.asked",
    "exports_deidentified": "secvault.service.record_exports.deidentified",
    "fault_sheet": "secvault.service.record_imports.fault_sheet",
    "hold_rows": "secvault.records.hold",
    "holds": "secvault.service.erasing.holds",
    "import_running": "secvault.service.record_imports.running",
    "import_spec": "secvault.records.imports.spec",
    "imports": "secvault.service.record_imports.requests",
    "kit_opening": "secvault.recovery.opening",
    "leaf": "secvault.audit.leaf",
    "log": "secvault.log",
    "log_policy": "secvault.crypto.log_policy",
    "matcher": "secvault.access.matcher",
    "migrate": "secvault.store.migrate",
    "networks": "secvault.identity.networks",
    "note": "secvault.crypto.note",
    "occurrences": "secvault.jobs.occurrences",
    "own_questions": "secvault.audit.questions.own",
    "persons": "secvault.identity.people",
    "placement": "secvault.identity.placement",
    "policies": "secvault.service.policies.operations",
    "policy_linting": "secvault.service.policies.linting",
    "policy_offline": "secvault.service.policies.offline",
    "policytest": "secvault.access.policytest",
    "proofs": "secvault.audit.proofs",
    "published": "secvault.service.policies.published",
    "qr": "secvault.identity.qr",
    "query": "secvault.audit.query",
    "kit_codes": "secvault.recovery.codes",
    "kit_words": "secvault.recovery.words",
    "share_sheet": "secvault.recovery.share_sheet",
    "recovering": "secvault.service.recovering.work",
    "recovering_place": "secvault.service.recovering.place",
    "recovery_by_seal": "secvault.service.break_glass.recovery",
    "recovery_guided": "secvault.service.recovering.guided",
    "recovery_incident": "secvault.service.recovering.incident",
    "remedies": "secvault.access.remedies",
    "repository": "secvault.backup.repository",
    "restic_answers": "secvault.backup.restic_answers",
    "restic_looking": "secvault.backup.restic_looking",
    "retention_rows": "secvault.records.retention_run",
    "retention_runs": "secvault.service.erasing.retention_runs",
    "review_campaigns": "secvault.service.reviews.campaigns",
    "review_decisions": "secvault.service.reviews.decisions",
    "review_evidence": "secvault.service.reviews.evidence",
    "review_facts": "secvault.service.reviews.facts",
    "review_page": "secvault.service.reviews.page",
    "review_reports": "secvault.service.reviews.reports",
    "review_starting": "secvault.service.reviews.starting",
    "reviews": "secvault.service.reviews.operations",
    "rules": "secvault.access.rules",
    "saved_questions": "secvault.audit.questions.saved",
    "scope": "secvault.access.scope",
    "seal_files": "secvault.keyring.seals.configured",
    "sealer": "secvault.service.sealing.running",
    "sealing": "secvault.service.sealing.client",
    "secret_ids": "secvault.identity.secret_ids",
    "selfcheck": "secvault.cli.selfcheck",
    "subject_report": "secvault.service.erasing.subject_report",
    "totp": "secvault.identity.totp",
    "verify_export": "secvault.audit.verify_export",
    "visit": "secvault.service.sealing.visit",
    "vocabulary": "secvault.access.vocabulary",
    "witness_answering": "secvault.witness.answering",
    "witness_key": "secvault.witness.key",
    "witness_logs": "secvault.witness.logs",
    "witness_state": "secvault.witness.state",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(name)
        return importlib.import_module(_ELSEWHERE.get(name, f"secvault.service.{name}"))
