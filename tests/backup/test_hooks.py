"""Hooks: run at their moment, in order, with what they are told, and named when they fail."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from secvault.backup import hooks
from secvault.backup.restic_process import NeverCancelled
from secvault.backup.sources.faults import HookFailed
from secvault.clock import system_clock
from secvault.config import PlanSettings
from secvault.errors import Cancelled

OCCASION = hooks.Occasion(
    plan="nightly",
    run="run-1",
    repository="local",
    clock=system_clock(),
    cancel=NeverCancelled(),
    environment={"PATH": os.environ["PATH"], "TOKEN_OF_MONITOR": "t0ken-of-ours", "OTHER": "x"},
)


def plan(**scripts: tuple[str, str]) -> PlanSettings:
    return PlanSettings.model_validate(
        {
            "hooks": {
                name: {"when": when, "command": ("/bin/sh", "-c", script)}
                for name, (when, script) in scripts.items()
            }
        }
    )


def test_only_those_of_the_moment_run_in_their_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    of_all = plan(
        freeze=("before", f"echo freeze >>{log}"),
        flush=("before", f"echo flush >>{log}"),
        thaw=("end", f"echo thaw >>{log}"),
    )
    assert hooks.run(of_all, "before", OCCASION) == ("freeze", "flush")
    assert hooks.run(of_all, "end", OCCASION) == ("thaw",)
    assert hooks.run(of_all, "failed", OCCASION) == ()
    assert log.read_text() == "freeze\nflush\nthaw\n"


def test_they_are_told_of_the_run_and_see_nothing_else_of_ours(tmp_path: Path) -> None:
    log = tmp_path / "log"
    told = replace(OCCASION, error="the server is gone; Lương")
    hooks.run(plan(report=("failed", f"env | sort >{log}")), "failed", told)
    seen = dict(line.split("=", 1) for line in log.read_text().splitlines())
    assert {name: seen[name] for name in seen if name.startswith("SECVAULT_")} == {
        "SECVAULT_WHEN": "failed",
        "SECVAULT_PLAN": "nightly",
        "SECVAULT_RUN": "run-1",
        "SECVAULT_REPOSITORY": "local",
        "SECVAULT_ERROR": "the server is gone; Lương",
    }
    assert "OTHER" not in seen
    assert "TOKEN_OF_MONITOR" not in seen


def test_before_a_run_the_first_that_fails_is_the_last(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    of_all = plan(freeze=("before", "echo no quorum >&2; exit 1"), next=("before", f"touch {mark}"))
    with pytest.raises(HookFailed, match=r"hook freeze: .*no quorum") as caught:
        hooks.run(of_all, "before", OCCASION)
    assert caught.value.hooks == ("freeze",)
    assert not mark.exists()


def test_at_the_end_each_is_run_and_all_that_fail_are_named(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    of_all = plan(
        thaw=("end", "exit 1"), tell=("end", "exec no-such-program"), mark=("end", f"touch {mark}")
    )
    with pytest.raises(HookFailed) as caught:
        hooks.run(of_all, "end", OCCASION)
    assert caught.value.hooks == ("thaw", "tell")
    assert mark.exists()


def test_a_hook_has_its_time_and_its_secrets_are_not_shown() -> None:
    settings = PlanSettings.model_validate(
        {
            "hooks": {
                "slow": {"when": "before", "command": ("sleep", "60"), "seconds": 1},
                "loud": {
                    "when": "after",
                    "command": ("/bin/sh", "-c", 'echo "no: $TOKEN_OF_MONITOR" >&2; exit 1'),
                    "environment": ("TOKEN_OF_MONITOR",),
                },
            }
        }
    )
    with pytest.raises(HookFailed, match="after 1 seconds"):
        hooks.run(settings, "before", OCCASION)
    with pytest.raises(HookFailed, match=r"no: \*\*\*"):
        hooks.run(settings, "after", OCCASION)


def test_a_run_that_is_cancelled_does_not_wait_for_a_hook() -> None:
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(Cancelled):
        hooks.run(plan(slow=("before", "sleep 60")), "before", replace(OCCASION, cancel=cancel))
