"""The program `secvault`: its commands put together, and its entry."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from secvault import __version__
from secvault.cli import (
    access,
    account,
    approle,
    approvals,
    attachments,
    audit,
    audit_alerts,
    audit_archives,
    audit_export,
    audit_personal,
    audit_proofs,
    audit_publications,
    audit_questions,
    audit_report,
    audit_standing,
    audit_streams,
    audit_witnesses,
    backup,
    backup_checks,
    backup_plans,
    backup_programs,
    backup_restore,
    backup_runs,
    backup_snapshots,
    backup_status,
    break_glass,
    config,
    db,
    devices,
    drill,
    eligible,
    erasures,
    factors,
    grants,
    hardware_tokens,
    help,  # noqa: A004 - the command's own name
    holds,
    idle,
    init,
    invitations,
    key_usage,
    keys,
    migrations,
    notifications,
    operations,
    people,
    people_file,
    policy,
    policy_test,
    record_exports,
    record_indexes,
    record_search,
    records,
    recovery,
    retention,
    reviews,
    rewraps,
    role_requests,
    seal,
    separation,
    serve,
    session,
    sessions,
    show,
    subject_report,
    systems,
    tokens,
    witness,
)
from secvault.cli.opening import Asked
from secvault.cli.outcome import run_to_exit_code

START, ACCESS, DATA, RECOVERY, PROOF = (
    "Start",
    "People, systems and what they may do",
    "What is guarded",
    "Recovery",
    "Proof and care",
)

app = typer.Typer(
    help="Guards a company's back office: encrypted fields, controlled access, proven backups.",
    epilog="First steps: secvault init, then secvault serve. What the exit codes mean: "
    "secvault help exit-codes",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        show.out(f"secvault {__version__}")
        raise typer.Exit


@app.callback()
def program(
    context: typer.Context,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The settings, TOML; else SECVAULT_CONFIG."),
    ] = None,
    ask_for_approval: Annotated[
        str,
        typer.Option(
            "--ask",
            metavar="REASON",
            help="Ask a second person to approve the command, when it turns out to need one.",
            show_default=False,
        ),
    ] = "",
    ticket: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="The ticket under which the command is run; kept in the audit log.",
            show_default=False,
        ),
    ] = "",
    version: Annotated[  # noqa: ARG001 - answered by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and end.")
    ] = False,
) -> None:
    """Remember what was said before the command's name."""
    context.obj = Asked(config_file, ask_for_approval, ticket)


app.command(rich_help_panel=START, epilog="Example: secvault init --demo")(init.init)
app.command(rich_help_panel=START, epilog="Example: secvault serve --port 8300")(serve.serve)


@app.command(rich_help_panel=START, epilog="Example: secvault self-check")
def self_check(
    s3: Annotated[
        str, typer.Option(metavar="URL", help="Back up to this bucket; credentials from AWS_*.")
    ] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the temporary folder.")] = False,
) -> None:
    """Do the main job once, end to end, in a temporary folder: a line for each step that held."""
    raise typer.Exit(operations.selfcheck.selfcheck(show.out, s3 or None, keep=keep))


app.command(
    "sign-in",
    rich_help_panel=START,
    epilog="Example: export SECVAULT_TOKEN=$(secvault sign-in lan.tran)",
)(session.sign_in)
app.command("sign-out", rich_help_panel=START, epilog="Example: secvault sign-out")(
    session.sign_out
)
app.command(
    "step-up",
    rich_help_panel=START,
    epilog="Example: export SECVAULT_TOKEN=$(secvault step-up)",
)(session.step_up)
app.command(rich_help_panel=PROOF, epilog="Example: secvault unseal")(seal.unseal)
policy.app.command("test", epilog="Example: secvault policy test policies --junit policy.xml")(
    policy_test.run
)
access.app.command(epilog="Example: secvault access conflicts --subject user:lan.tran --json")(
    separation.conflicts
)
access.app.command("separation", epilog="Example: secvault access separation")(separation.rules)
access.app.add_typer(separation.exceptions, name="exceptions")
audit.app.command(epilog="Example: secvault audit event 4711 --json")(audit_personal.event)
audit.app.command(epilog="Example: secvault audit timeline --outcome denied --since 2026-11-01")(
    audit_standing.timeline
)
audit.app.command(epilog="Example: secvault audit standing --json")(audit_standing.standing)
audit.app.command(epilog="Example: secvault audit prove 4711 --out event-4711.json")(
    audit_proofs.prove
)
audit.app.command(epilog="Example: secvault audit check event-4711.json --key 'acme/...'")(
    audit_proofs.check
)
audit.app.command(epilog="Example: secvault audit consistency 4000")(audit_proofs.consistency)
audit.app.command("range", epilog="Example: secvault audit range 4000 4100 --json")(
    audit_proofs.range_
)
audit.app.command(
    epilog="Example: secvault audit export --since 2026-10-01 --until 2026-11-01 --out october.zip"
)(audit_export.export)
audit.app.command(
    epilog="Example: secvault audit report --month 2026-10 --language vi --out october.pdf"
)(audit_report.report)
audit.app.command(epilog="Example: secvault audit witnesses --json")(audit_witnesses.witnesses)
audit.app.command(epilog="Example: secvault audit tiles /mnt/auditor/log")(audit_proofs.tiles)
audit.app.command(epilog="Example: secvault audit archive")(audit_archives.archive)
audit.app.command(epilog="Example: secvault audit archives --json")(audit_archives.archives)
audit.app.command(
    epilog="Example: secvault audit hold --since 2025-03-01 --reason 'lawsuit 12/2026'"
)(audit_archives.hold)
audit.app.add_typer(audit_streams.app, name="streams")
audit.app.add_typer(audit_alerts.app, name="alerts")
audit.app.command(epilog="Example: secvault audit questions --json")(audit_questions.questions)
audit.app.command(
    epilog="Example: secvault audit ask who-saw --on hr/employees/e-7 --since 2026-11-01"
)(audit_questions.ask)
audit.app.command(
    "save-question",
    epilog="Example: secvault audit save-question night-exports --title 'Exports at night' "
    "--kind record.export --after-hours",
)(audit_questions.save)
audit.app.command("forget-question", epilog="Example: secvault audit forget-question mine")(
    audit_questions.forget
)
audit.app.command(epilog="Example: secvault audit publications --json")(
    audit_publications.publications
)
audit.app.command(epilog="Example: secvault audit publish offsite")(audit_publications.publish)
audit.app.command("rotate-key", epilog="Example: secvault audit rotate-key --overlap-days 30")(
    audit_publications.rotate_key
)
keys.app.command("rotate-root", epilog="Example: secvault keys rotate-root")(seal.rotate_root)
keys.app.command(epilog="Example: secvault keys rewrap payroll --rotate")(rewraps.rewrap)
keys.app.command(epilog="Example: secvault keys usage payments --version 1")(key_usage.usage)
keys.app.command("rewraps", epilog="Example: secvault keys rewraps")(rewraps.rewraps)
keys.app.command("stop-rewrap", epilog="Example: secvault keys stop-rewrap rewrap:payroll:4f0c")(
    rewraps.stop_rewrap
)
records.app.command(epilog="Example: secvault records migrate payroll")(migrations.migrate)
records.app.command(epilog="Example: secvault records migrations")(migrations.migrations)
records.app.command(
    "stop-migration", epilog="Example: secvault records stop-migration migrate:payroll:4f0c"
)(migrations.stop_migration)
people.app.command(epilog=invitations.INVITE_EXAMPLE)(invitations.invite)
people.app.command(epilog="Example: secvault people reinvite lan.tran")(invitations.reinvite)
people.app.command(epilog="Example: secvault people uninvite lan.tran")(invitations.uninvite)
people.app.command(epilog="Example: secvault people activate")(invitations.activate)
people.app.command("import", epilog="Example: secvault people import staff.csv --dry-run")(
    people_file.import_
)
people.app.command("export", epilog="Example: secvault people export > staff.csv")(
    people_file.export
)
records.app.command(
    epilog="Example: secvault records attach contracts ct-0001 document contract.pdf"
)(attachments.attach)
records.app.add_typer(attachments.app, name="attachments")
records.app.command(epilog=erasures.ERASE_EXAMPLE)(erasures.erase)
records.app.command(epilog=subject_report.EXAMPLE)(subject_report.report)
records.app.add_typer(erasures.app, name="erasures")
records.app.add_typer(holds.app, name="holds")
records.app.add_typer(retention.app, name="retention")
records.app.add_typer(record_exports.app, name="export")
reviews.app.command(epilog="Example: secvault reviews dormant --days 90")(idle.dormant)
reviews.app.command(epilog="Example: secvault reviews unused --days 90")(idle.unused)
grants.app.add_typer(eligible.app, name="eligible")
grants.app.command(epilog="Example: secvault grants mine")(eligible.mine)
grants.app.command(
    epilog="Example: secvault grants activate role:it.admin --department it --reason 'new disk'"
)(eligible.activate)
grants.app.command(epilog="Example: secvault grants deactivate role:it.admin --department it")(
    eligible.deactivate
)
grants.app.command(
    epilog="Example: secvault grants request role:hr.clerk --department hr --days 30 --reason cover"
)(role_requests.request)
grants.app.command(epilog="Example: secvault grants requests")(role_requests.requests)
grants.app.command(epilog="Example: secvault grants claim 0192f0c0a1b2c3d4e5f60718293a4b5c")(
    role_requests.claim
)
records.app.command(
    epilog="Example: SECVAULT_TOKEN=svs_... secvault records search payroll --where month=2026-10 "
    "--ask bank_account"
)(record_search.search)
records.app.command(epilog="Example: secvault records leakage payroll")(record_indexes.leakage)
records.app.command(epilog="Example: secvault records check payroll")(record_indexes.check)
records.app.command(epilog="Example: secvault records reindex payroll")(record_indexes.reindex)
backup.app.command(epilog="Example: secvault backup runs --state running")(backup_runs.runs)
backup.app.command(epilog="Example: secvault backup watch backup:nightly:...")(backup_runs.watch)
backup.app.command(epilog="Example: secvault backup cancel backup:nightly:...")(backup_runs.cancel)
backup.app.command(epilog="Example: secvault backup check nightly")(backup_checks.check)
backup.app.command(epilog="Example: secvault backup checks --json")(backup_checks.checks)
backup.app.command(epilog="Example: secvault backup forget nightly")(backup_checks.forget)
app.command("password", rich_help_panel=START, epilog="Example: secvault password")(
    devices.password
)
backup.app.command(epilog="Example: secvault backup status")(backup_status.status)
backup.app.command(epilog="Example: secvault backup snapshots nightly")(backup_snapshots.snapshots)
backup.app.command(epilog="Example: secvault backup ls /srv/documents --plan nightly")(
    backup_snapshots.ls
)
backup.app.command(epilog="Example: secvault backup find '*.xlsx' --plan nightly")(
    backup_snapshots.find
)
backup.app.command(epilog="Example: secvault backup diff nightly")(backup_snapshots.diff)
backup.app.add_typer(backup_plans.app, name="plan")
backup.app.command(epilog="Example: secvault backup restore nightly --target /srv/restored")(
    backup_restore.restore
)
backup.app.command(epilog="Example: secvault backup programs")(backup_programs.programs)
backup.app.command(epilog="Example: secvault backup restores --json")(backup_restore.restores)
backup.app.command(
    "stop-restore", epilog="Example: secvault backup stop-restore restore:nightly:4f0c"
)(backup_restore.stop_restore)
for _hidden in (serve.preflight, serve.sealer, serve.entrance, serve.web, serve.worker):
    app.command(hidden=True)(_hidden)
for _name, _noun, _panel in (
    ("people", people, ACCESS),
    ("factors", factors, ACCESS),
    ("sessions", sessions, ACCESS),
    ("devices", devices, ACCESS),
    ("account", account, ACCESS),
    ("hardware-tokens", hardware_tokens, ACCESS),
    ("grants", grants, ACCESS),
    ("approvals", approvals, ACCESS),
    ("policy", policy, ACCESS),
    ("access", access, ACCESS),
    ("reviews", reviews, ACCESS),
    ("break-glass", break_glass, ACCESS),
    ("systems", systems, ACCESS),
    ("tokens", tokens, ACCESS),
    ("approle", approle, ACCESS),
    ("keys", keys, DATA),
    ("records", records, DATA),
    ("backup", backup, RECOVERY),
    ("drill", drill, RECOVERY),
    ("recovery", recovery, RECOVERY),
    ("seal", seal, PROOF),
    ("audit", audit, PROOF),
    ("witness", witness, PROOF),
    ("notifications", notifications, PROOF),
    ("config", config, PROOF),
    ("db", db, PROOF),
    ("help", help, PROOF),
):
    app.add_typer(_noun.app, name=_name, rich_help_panel=_panel)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (those of the process if None) and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return run_to_exit_code(lambda: _command()(given, prog_name="secvault"))


@cache
def _command() -> Callable[..., object]:
    """All commands, built once in a process, which takes as long as many of them run."""
    return get_command(app)
