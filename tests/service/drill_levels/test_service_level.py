"""The restored service is really started, answers as it should, and reaches nothing outside."""

from __future__ import annotations

import errno
import http.client
import multiprocessing
import os
import signal
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy import func, select

from secvault.cli.serve import nursery
from secvault.config import Settings
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.errors import Unavailable
from secvault.jobs import queue
from secvault.nursery import Nursery
from secvault.service import Service
from secvault.service.drill_levels import levels, service_started
from secvault.service.drill_levels.service_started import (
    CARRIED,
    Answer,
    Loaded,
    Running,
    settings_of_copy,
)
from secvault.store import tables
from tests.running_service import House, furnish
from tests.service.drill_levels.saved_house import (
    PLAN,
    Drilled,
    back_up,
    codes,
    drilled,
    fact,
    saved,
    supplier,
)

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


@dataclass
class Trap:
    """A port of this machine that counts who comes."""

    port: int
    came: list[str] = field(default_factory=list)


@contextmanager
def trap() -> Iterator[Trap]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        made = Trap(listening.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    one, _ = listening.accept()
                    made.came.append("somebody")
                    one.close()

        threading.Thread(target=accept, daemon=True).start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)


def that_would(at: Trap, folder: Path) -> dict[str, str]:
    """Settings of a vault that tells, sends, publishes, saves and asks wherever it can."""
    url = f"http://127.0.0.1:{at.port}"
    secret = folder / "secret"
    secret.write_text("of-a-webhook\n" * 4)
    witness = NoteSigner("near", Secret(bytes(32))).verifier().vkey
    given = {
        "AUDIT__STREAMS__SIEM__ADDRESS": f"{url}/events",
        "AUDIT__STREAMS__SIEM__HISTORY": "true",
        "AUDIT__STREAMS__SIEM__SECRET_FILE": str(secret),
        "AUDIT__WITNESSES__NEAR__URL": url,
        "AUDIT__WITNESSES__NEAR__VKEY": witness,
        "AUDIT__PUBLICATIONS__FOLDER__LOCATION": str(folder / "published"),
        "AUDIT__PUBLICATIONS__BUCKET__LOCATION": f"s3:{url}/bucket",
        "AUDIT__PUBLICATIONS__BUCKET__ACCESS_KEY_ID": "id",
        "AUDIT__PUBLICATIONS__BUCKET__SECRET_ACCESS_KEY": "secret",
        "AUDIT__HEARTBEAT_SECONDS": "10",
        "NOTIFICATIONS__CHANNELS__CHAT__URL": f"json://127.0.0.1:{at.port}/",
        "BACKUP__PLANS__NIGHTLY__PING_URL": f"{url}/ping",
        "BACKUP__PLANS__NIGHTLY__SCHEDULE": "* * * * *",
    }
    return {f"SECVAULT_{name}": value for name, value in given.items()}


def request_work(service: Service) -> list[str]:
    """Rows that ask for a backup, a drill and a restore, due now."""
    now = service.clock.micros()
    with service.store.write() as connection:
        return [
            queue.request(connection, kind=kind, plan=PLAN, requested_by="user:x", now=now)
            for kind in ("backup", "drill", "forget", "notices")
        ]


def test_the_restored_service_answers_and_refuses_as_it_should(
    house: House, service: Service, tmp_path: Path
) -> None:
    supplier(service, house)
    back_up(service)
    database = Path(str(service.store.writer.url.database))
    with drilled(service, tmp_path / "drill") as drill:
        assert drill.vault().verdict == "passed"
        service.audit.drain()
        before = database.read_bytes()
        result = drill.serve()
    # The live vault sees nothing of it.
    assert database.read_bytes() == before
    assert codes(result) == []
    assert result.verdict == "passed"
    # Alive, ready, nobody, a stranger, without a role, with one, and another department's record.
    assert fact(result, "answers-right") == fact(result, "questions-asked") == 7
    assert fact(result, "refused-as-due") == 4
    assert len(result.not_tested) == 1


def test_settings_and_rows_that_would_send_reach_nobody(tmp_path: Path) -> None:
    with trap() as at:
        house = saved(tmp_path / "house", that_would(at, tmp_path))
        published = tmp_path / "published"
        with house.open() as service:
            jobs = request_work(service)
            back_up(service)
            with drilled(service, tmp_path / "drill") as drill:
                at.came.clear()
                assert drill.serve().verdict == "passed"
                with closing(sqlite3.connect(drill.database)) as copy:
                    states = dict(copy.execute("SELECT id, state FROM job").fetchall())
        assert {states[job] for job in jobs} == {"requested"}
        assert at.came == []
        assert not published.exists()


def test_what_goes_over_to_the_restored_service_names_nothing_outside_and_no_secret(
    tmp_path: Path,
) -> None:
    with trap() as at:
        house = furnish(tmp_path / "house", more=that_would(at, tmp_path))
        given = settings_of_copy(house.settings, tmp_path, "sqlite:////srv/copy.db", 8200)
    told = repr(given)
    assert str(at.port) not in told
    assert "published" not in told
    made = Settings.model_validate(given)
    reaching = (
        *(made.audit.streams, made.audit.published, made.audit.witnesses, made.identity.oidc),
        *(made.backup.plans, made.backup.repositories, made.notifications.channels),
    )
    assert not any(reaching)
    assert made.attachments.location == ""
    # Nor can a setting that is added later: those that go over hold neither secrets nor paths.
    for name, parts in CARRIED.items():
        wanted = Settings.model_fields[name].annotation
        strange = {
            key
            for key, kind in _kinds(wanted, name)
            if kind in (SecretStr, Path) and (parts is True or key.split(".")[1] in parts)  # type: ignore[operator]
        }
        assert strange == set(), name


def _kinds(kind: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, one in kind.model_fields.items():
            yield from _kinds(one.annotation, f"{key}.{name}")
    elif get_args(kind):
        for one in get_args(kind):
            yield from _kinds(one, key)
    else:
        yield key, kind


def test_its_process_is_confined_knows_none_of_our_secrets_and_ends_with_whoever_started_it(
    early: Early, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill = early.drill
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-of-aws")
    monkeypatch.setenv("SECVAULT_TOKEN", "hidden-of-secvault")
    seen: dict[str, str] = {}
    root = drill.service.keyring.roots.present.key.expose()

    def look(running: Running, *_more: object) -> None:
        process = _listens_on(running.port)
        lines = (process / "status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        seen.update(seccomp=status["Seccomp"], bound=status["NoNewPrivs"])
        seen["environment"] = (process / "environ").read_text()
        seen["command"] = (process / "cmdline").read_text()
        seen["process"], seen["word"] = str(process), running.word
        words: dict[str, dict[str, str]] = {
            "nobody": {},
            "stranger": {service_started.WORD: "another"},
        }
        for name, headers in words.items():
            made = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
            made.request("GET", "/health/live", headers=headers)
            seen[name] = str(made.getresponse().status)
            made.close()
        seen["asked"] = str(running.ask("/health/live").status)
        raise KeyboardInterrupt

    monkeypatch.setattr("secvault.service.drill_levels.levels.ask_all", look)
    with pytest.raises(KeyboardInterrupt):
        drill.serve()
    assert (seen["seccomp"], seen["bound"]) == ("2", "1")
    # Others on this machine may have been somebody when the copy was made.
    assert (seen["nobody"], seen["stranger"], seen["asked"]) == ("403", "403", "200")
    assert "hidden" not in seen["environment"]
    for shown in (seen["environment"], seen["command"]):
        assert root.hex() not in shown
        assert seen["word"] not in shown
        assert str(drill.database) not in shown
    assert early.programs[-1].ended()


@dataclass(frozen=True)
class Early:
    """programs: those that were loaded, in their order."""

    drill: Drilled
    programs: list[Loaded]


def test_a_service_that_does_not_start_is_a_fault_with_the_reason(
    drill: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill.vault()
    with drill.levels._copy.store.write() as connection:  # type: ignore[union-attr]
        connection.exec_driver_sql("DELETE FROM keys_here")
    result = drill.serve()
    assert codes(result) == ["service-not-started"]
    assert "data keys" in result.faults[0].words


@pytest.fixture(params=["forked", "loaded anew"])
def early(
    request: pytest.FixtureRequest,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Early]:
    """A drill whose program was loaded before there was a copy."""
    seen: list[Loaded] = []
    ends: list[bool] = []

    @contextmanager
    def noted(nursery: Nursery | None, *, gentle: bool) -> Iterator[Loaded]:
        with ExitStack() as closing:
            with service_started.loaded(nursery, gentle=gentle) as program:
                # It is looked at when the drill has done with it.
                kept = replace(program, process=os.dup(program.process))
                closing.callback(os.close, kept.process)
                seen.append(kept)
                yield program
            ends.append(kept.ended())

    monkeypatch.setattr(levels, "loaded", noted)
    with ExitStack() as closing:
        if request.param == "forked":
            service = replace(service, nursery=closing.enter_context(a_nursery()))
        with drilled(service, tmp_path / "drill") as drill:
            drill.levels.begin(drill.ground, ("service",))
            assert _forked(seen[0]) == (request.param == "forked")
            yield Early(drill, seen)
    assert ends == [True] * len(seen)


@contextmanager
def a_nursery() -> Iterator[Nursery]:
    made = nursery()
    try:
        yield made
    finally:
        made.channel.close()


def _forked(program: Loaded) -> bool:
    """Whether another process than this one is its parent."""
    return f"PPid:\t{os.getpid()}" not in (process_of(program) / "status").read_text()


def process_of(program: Loaded) -> Path:
    lines = Path(f"/proc/self/fdinfo/{program.process}").read_text().splitlines()
    (number,) = (line.partition("\t")[2] for line in lines if line.startswith("Pid:"))
    return Path(f"/proc/{number}")


def kill(program: Loaded) -> None:
    signal.pidfd_send_signal(program.process, signal.SIGKILL)
    assert program.ended(60)


def test_what_was_loaded_early_serves_the_copy_and_nothing_else_is_started(early: Early) -> None:
    (program,) = early.programs
    assert not program.ended()
    assert codes(early.drill.serve()) == []
    assert early.programs == [program]
    assert program.ended()


def test_what_was_loaded_early_ends_with_a_drill_that_does_not_reach_its_level(
    early: Early,
) -> None:
    (program,) = early.programs
    # It waits for the second line, and knows of no copy until then.
    assert not program.ended()
    process = process_of(program)
    early.drill.levels._closing.close()
    assert not process.exists() or "State:\tZ" in (process / "status").read_text()


def test_a_loaded_program_that_was_killed_meanwhile_is_no_fault_of_the_copy(early: Early) -> None:
    (program,) = early.programs
    kill(program)
    assert codes(early.drill.serve()) == []
    assert len(early.programs) == 2


def test_a_service_that_is_killed_before_it_answers_is_a_fault(
    early: Early, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loaded, "told", lambda program, _order: kill(program))
    result = early.drill.serve()
    assert codes(result) == ["service-not-started"]
    assert "it ended before it answered" in result.faults[0].words


def test_where_the_nursery_has_ended_the_program_is_loaded_anew(
    service: Service, tmp_path: Path
) -> None:
    with a_nursery() as gone:
        (child,) = multiprocessing.active_children()
        child.kill()
        child.join()
        with drilled(replace(service, nursery=gone), tmp_path / "drill") as drill:
            assert drill.serve().verdict == "passed"


def test_a_kernel_without_descriptors_of_processes_starts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_process: int) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("os.pidfd_open", refused)
    with (
        pytest.raises(Unavailable, match="Function not implemented"),
        service_started.loaded(gentle=False),
    ):
        raise AssertionError("it was started")


class Answering:
    """In the place of a restored service: the same to everybody."""

    seconds = 0.1

    def __init__(self, fields: Mapping[str, str]) -> None:
        body = {"live": True, "ready": True, "database": True, "audit": True, "unsealed": True}
        self.answer = Answer(200, {**body, "fields": fields})

    def ask(self, _path: str, _token: str = "") -> Answer:
        return self.answer


def test_answers_to_whom_they_are_not_due_and_other_values_are_wrong_answers(
    drill: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def answering(*_what: object) -> Iterator[Answering]:
        yield Answering({"bank_account": "something else", "base_salary": "something else"})

    monkeypatch.setattr("secvault.service.drill_levels.levels.started", answering)
    result = drill.serve()
    assert set(codes(result)) == {"service-wrong-answer"}
    (path,) = {fault.where.partition(" ")[0] for fault in result.faults}
    assert [fault.where.partition(" ")[2] for fault in result.faults][:3] == [
        "without a token",
        "with a token of nobody",
        "without a role",
    ]
    assert result.faults[3].words == "it answers 200 with something else than it should"
    assert path.startswith("/api/v1/records/")


def test_a_kernel_that_confines_nothing_starts_nothing(
    drill: Drilled, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = (
        "import platform, runpy; platform.machine = lambda: 'pdp11'\n"
        "runpy.run_module('secvault.api.restored', run_name='__main__')"
    )
    monkeypatch.setattr(service_started, "_PROGRAM", (sys.executable, "-c", elsewhere))
    result = drill.serve()
    assert codes(result) == ["service-not-started"]
    assert "cannot be confined" in result.faults[0].words


def _listens_on(port: int) -> Path:
    """The process in /proc that serves on the port."""
    wanted = f"0100007F:{port:04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()
        if line.split()[1] == wanted and line.split()[3] == "0A"
    }
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        with suppress(OSError):
            if any(str(one.readlink()) in links for one in (process / "fd").iterdir()):
                return process
    raise AssertionError("nobody listens")


def test_a_link_to_the_living_database_is_not_taken_for_the_copy(
    house: House, drill: Drilled
) -> None:
    drill.database.unlink()
    drill.database.symlink_to(house.folder / "vault" / "secvault.db")
    assert drill.database.exists()
    with drill.service.store.read() as connection:
        before = connection.execute(select(func.count()).select_from(tables.person)).scalar_one()

    results = [drill.vault(), drill.serve()]

    assert codes(results[0]) == ["database-damaged"]
    assert results[1].verdict == "not tested"
    with drill.service.store.read() as connection:
        after = connection.execute(select(func.count()).select_from(tables.person)).scalar_one()
    assert after == before
