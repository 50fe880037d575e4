"""Operations on scenario drills: play one, ask the worker for one, list, read the evidence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import uuid_utils
from sqlalchemy import Connection

from secvault.backup.claims import Again
from secvault.backup.drills import files, sweep
from secvault.backup.drills.databases.left import end_left
from secvault.backup.drills.exercise import ScenarioResult
from secvault.backup.drills.scenarios import stored
from secvault.backup.drills.scenarios.script import LEVELS, Broken, Script
from secvault.backup.drills.scenarios.stored import StoredScenario
from secvault.backup.restic import Cancel, Progress
from secvault.config.drills import ScenarioName
from secvault.crypto.canonical import JsonValue
from secvault.crypto.evidence import SignedEvidence, verify_evidence
from secvault.errors import InvalidInput, SecvaultError
from secvault.jobs import queue
from secvault.service import drill_endings, drill_evidence, drill_notices
from secvault.service.drill_scenes.plays import Wish, play
from secvault.service.plan_schedules import SCENARIO
from secvault.service.service import Service
from secvault.service.spine import Caller, Operation, Outcome
from secvault.store import tables

SCENARIOS: tuple[ScenarioName, ...] = get_args(ScenarioName)
_KIND = "drill.scenario"


@dataclass(frozen=True)
class Report:
    """A scenario drill as its signed evidence tells it."""

    document: dict[str, JsonValue]
    signed: SignedEvidence


def run_scenario(
    service: Service,
    caller: Caller,
    scenario: ScenarioName,
    plan: str,
    wish: Wish,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
) -> ScenarioResult:
    """Play a scenario of the plan here and now; what it came to is signed and kept.

    Raises Conflict while another one of the plan is under way, NotFound, and what keeps it from
    being done.
    """
    service.backups.plan(plan)
    work = uuid_utils.uuid7().hex

    def act() -> Outcome[ScenarioResult]:
        requested_by = caller.principal.subject
        result = _played(service, scenario, plan, work, requested_by, wish, on_progress, cancel)
        _done(service, scenario, plan, work)
        return Outcome(result, detail=_detail(scenario, plan, work, passed=result.passed))

    return service.spine.work(caller, _played_on(plan), act)


def do_requested_scenario(
    service: Service,
    caller: Caller,
    scenario: ScenarioName,
    plan: str,
    work: str,
    requested_by: str,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
    again: Again = lambda _error: False,
) -> bool:
    """Play one that was asked for, unless that is done already; whether it passed.

    A process that was killed after it had signed the result leaves the rest to the next one.
    again: whether it is tried again by itself after such an error.
    """

    def act() -> Outcome[bool]:
        there = stored.find(service.backups, work)
        if there is None or there.state != "done":
            try:
                _played(
                    service, scenario, plan, work, requested_by, Wish(), on_progress, cancel, again
                )
            except SecvaultError as error:
                if not again(error):
                    drill_endings.scenario_failed(service, plan, work, error)
                raise
        passed = _done(service, scenario, plan, work)
        return Outcome(passed, detail=_detail(scenario, plan, work, passed=passed))

    return service.spine.work(caller, _played_on(plan), act)


def request_scenario(service: Service, caller: Caller, scenario: ScenarioName, plan: str) -> str:
    """Ask the worker to play it; the id of the job, which is the id of the scenario drill."""
    service.backups.plan(plan)

    def act(connection: Connection) -> Outcome[str]:
        job = queue.request(
            connection,
            kind=f"{SCENARIO}{scenario}",
            plan=plan,
            requested_by=caller.principal.subject,
            now=service.clock.micros(),
        )
        # The outcome of the work itself is another entry, by whoever does it.
        return Outcome(job, detail={"plan": plan, "run": job, "reason": "requested"})

    return service.spine.change(caller, _operation("drill.run", plan), act)


def list_scenarios(service: Service, caller: Caller, limit: int) -> tuple[StoredScenario, ...]:
    """The newest scenario drills of all plans, newest first."""
    if not 1 <= limit <= 500:
        raise InvalidInput.at("limit", "use 1 to 500")
    return service.spine.read(
        caller,
        _operation("drill.read", "*"),
        lambda _: Outcome(stored.newest(service.backups, limit)),
    )


def read_scenario(service: Service, caller: Caller, work: str) -> Report:
    """The verified evidence of one that is done. Raises NotFound, Damaged."""

    def act(_: object) -> Outcome[Report]:
        return Outcome(_verified(service, work))

    return service.spine.read(caller, _operation("drill.read", "*"), act)


def named(scenario: str) -> ScenarioName:
    """The scenario of this name. Raises InvalidInput."""
    for one in SCENARIOS:
        if one == scenario:
            return one
    raise InvalidInput.at("scenario", f"use one of {', '.join(SCENARIOS)}")


def evidence_files(service: Service, report: Report) -> tuple[Path, ...]:
    """Where the evidence of a scenario drill lies in the data folder."""
    return tuple(service.backups.evidence / name for name in files.names(report.document))


def _played(
    service: Service,
    scenario: ScenarioName,
    plan: str,
    work: str,
    requested_by: str,
    wish: Wish,
    on_progress: Callable[[Progress], None],
    cancel: Cancel,
    again: Again = lambda _error: False,
) -> ScenarioResult:
    """Play it, and keep what it came to. What it used is removed whatever happens."""
    engine = service.backups.for_plan(plan)
    table = tables.drill_scenario
    stored.begin(engine, scenario, plan, work, requested_by)
    with engine.at_work(table, work, "the scenario drill", cancel, again=again) as stop:
        sweep.sweep(engine, _end_servers)
        held = sweep.hold(engine, work)
        try:
            script = Script(
                engine=engine,
                id=work,
                scenario=scenario,
                plan_name=plan,
                plan=engine.plan(plan),
                folder=held.path,
                requested_by=requested_by,
                cancel=stop,
                on_progress=on_progress,
                mark=lambda phase: engine.mark(table, work, phase=phase),
                started_at=engine.clock.micros(),
                began=engine.clock.monotonic(),
            )
            with suppress(Broken):
                play(service, script, wish)
        finally:
            held.remove()
        result = script.result()
        stored.finish(engine, result, drill_evidence.sign(service, result))
    return result


def _end_servers(folder: Path) -> None:
    end_left(folder / LEVELS)


def _done(service: Service, scenario: ScenarioName, plan: str, work: str) -> bool:
    """Write its evidence, and tell where it did not pass; whether it did. Twice does no harm."""
    report = _verified(service, work)
    passed = report.document["passed"] is True
    if not passed:
        reason = _first_fault(report.document) or drill_notices.DAMAGE
        drill_notices.tell_failed(service, plan, work, reason, passed=False, scenario=scenario)
    drill_evidence.write_files(service, report.signed.document, report.signed.note)
    return passed


def _first_fault(document: dict[str, JsonValue]) -> str:
    match document.get("faults"):
        case [{"code": str(code)}, *_]:
            return code
    return ""


def _verified(service: Service, work: str) -> Report:
    signed = stored.evidence(service.backups, work)
    document = verify_evidence(signed.document, signed.note, service.signing.evidence.verifier())
    return Report(document, signed)


def _detail(
    scenario: ScenarioName, plan: str, work: str, *, passed: bool
) -> dict[str, str | int | bool]:
    return {"rule": scenario, "plan": plan, "run": work, "passed": passed}


def _operation(action: str, plan: str) -> Operation:
    return Operation(action, "it", plan, f"it/backups/{plan}")


def _played_on(plan: str) -> Operation:
    return Operation("drill.run", "it", plan, f"it/backups/{plan}", kind=_KIND)
