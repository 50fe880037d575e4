from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.result import compare
from benchmarks.wrk import NotAnswered, read
from hypothesis import given
from hypothesis import strategies as st
from throwaway.programs import install_missing

ROOT = Path(__file__).parents[2]
rates = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=9)


def _written(**changed: float) -> str:
    found = {"requests": 10, "micros": 2_000_000, "refused": 0, "broken": 0, "p50": 1e3, "p99": 2e3}
    return json.dumps({**found, **changed})


def test_what_wrk_wrote_is_a_rate_and_latencies_in_milliseconds() -> None:
    driven = read(_written(), "x")
    assert (driven.rate, driven.p50, driven.p99) == (5.0, 1.0, 2.0)


@pytest.mark.parametrize("fault", [{"refused": 1}, {"broken": 1}, {"requests": 0}])
def test_refused_requests_are_never_counted_as_work(fault: dict[str, float]) -> None:
    with pytest.raises(NotAnswered):
        read(_written(**fault), "x")


@given(ours=rates, theirs=rates)
def test_a_ratio_above_one_always_means_that_ours_is_better(
    ours: list[float], theirs: list[float]
) -> None:
    more = compare("x", "1/s", ours, theirs, peer="p", budget=1)
    less = compare("x", "ms", theirs, ours, peer="p", less_is_better=True)
    assert more.ratio is not None
    assert less.ratio == pytest.approx(more.ratio)
    assert (more.verdict == "met") == (more.ours >= more.theirs)


@pytest.mark.real
@pytest.mark.slow
def test_the_comparison_with_openbao_runs_to_its_end(openbao: object, tmp_path: Path) -> None:
    install_missing(["wrk"])
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.transit", "--action", "encrypt", "--rounds", "1",
         "--seconds", "1", "--workers", "1", "--json", str(out)],
        cwd=ROOT,
        env={
            **os.environ,
            "SVTEST_OPENBAO_ADDR": openbao.addr,
            "SVTEST_OPENBAO_TOKEN": openbao.token,
            "SVTEST_OPENBAO_AUDIT": openbao.audit,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "OpenBao" in done.stdout
    written = json.loads(out.read_text("utf-8"))
    named = [row["name"] for row in written["rows"]]
    assert "encrypt, 32 callers" in named
    assert all(row["ours"] > 0 for row in written["rows"])


@pytest.mark.slow
def test_the_comparison_in_one_process_runs_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [ROOT / "scripts" / "bench", "field", "--rounds", "1", "--json", str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    written = json.loads(out.read_text("utf-8"))
    peers = {"Fernet", "Tink", "AWS Encryption SDK", "AWS SDK, keys cached", "bare AES-GCM"}
    assert {row["peer"] for row in written["rows"]} == peers
    assert len(written["rows"]) == 2 * 2 * len(peers)
    assert all(row["ours"] > 0 and row["theirs"] > 0 for row in written["rows"])
    for verb in ("seal", "open"):
        assert {len(rounds) for rounds in written["us"][verb].values()} == {1}


@pytest.mark.real
@pytest.mark.slow
def test_the_benchmark_of_sign_ins_runs_to_its_end(tmp_path: Path) -> None:
    install_missing(["wrk"])
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sign_in", "--rounds", "1", "--seconds", "1",
         "--workers", "1", "--rate", "240", "--memory-mib", "19", "--passes", "2",
         "--json", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    written = json.loads(out.read_text("utf-8"))
    assert written["answers"].keys() <= {"201", "503"}
    assert written["answers"]["201"] > 0
    latency, rate = written["rows"]
    assert (latency["peer"], latency["budget"]) == ("quiet", 0.5)
    assert latency["ours"] > 0
    assert rate["ours"] > 0


@pytest.mark.real
@pytest.mark.slow
def test_the_benchmark_of_records_runs_to_its_end(postgresql_server: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.records", "--records", "400", "--rounds", "2",
         "--lookups", "20", "--pages", "5", "--processes", "1", "--json", str(out)],
        cwd=ROOT,
        env={
            **os.environ,
            "SVTEST_POSTGRESQL": postgresql_server,
            "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=350,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {row["name"]: row for row in json.loads(out.read_text("utf-8"))["rows"]}
    for engine in ("SQLite", "PostgreSQL"):
        assert rows[f"{engine}: import"]["ours"] > 0
        assert rows[f"{engine}: other rows touched by it"]["ours"] == 0
        assert rows[f"{engine}: an encrypted field"]["ours"] > 29
        assert rows[f"{engine}: lookup by blind index"]["budget"] == 0.5


@pytest.mark.real
@pytest.mark.slow
def test_the_benchmark_of_the_log_runs_to_its_end(postgresql_server: str, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.audit", "--events", "10000", "--rounds", "1",
         "--seconds", "0.1", "--pages", "1", "--proofs", "5", "--json", str(out)],
        cwd=ROOT,
        env={**os.environ, "SVTEST_POSTGRESQL": postgresql_server,
             "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {row["name"]: row for row in json.loads(out.read_text("utf-8"))["rows"]}
    assert all(row["ours"] >= 0 for row in rows.values())
    for engine in ("SQLite", "PostgreSQL"):
        assert rows[f"{engine}: append, 8 writers"]["peer"] == "inserts of 8"
        assert rows[f"{engine}: exported as csv"]["ours"] > 0


@pytest.mark.real
@pytest.mark.slow
def test_the_benchmark_of_backups_runs_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.backup", "--files", "50", "--mib", "2",
         "--large-mib", "4", "--rounds", "1", "--folder", str(tmp_path), "--json", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    written = json.loads(out.read_text("utf-8"))
    rows = {row["name"]: row for row in written["rows"]}
    for name in ("many files", "one large file", "nothing changed"):
        assert rows[name]["ours"] > 0
        assert rows[name]["theirs"] > 0
        assert rows[name]["budget"] == pytest.approx(1 / 1.05, abs=0.001)
        assert rows[f"{name}: more memory of ours"]["budget"] == 1.0
    for name in ("many files", "one large file"):
        assert rows[f"{name}: the same, hashed beside"]["ours"] > 0
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.real
@pytest.mark.slow
def test_the_benchmark_of_drills_runs_to_its_end(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.drill", "--files", "50", "--mib", "2",
         "--large-mib", "12", "--rounds", "1", "--folder", str(tmp_path), "--json", str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    written = json.loads(out.read_text("utf-8"))
    rows = {row["name"]: row for row in written["rows"]}
    for name in ("files", "everything"):
        assert rows[f"a drill, {name}"]["ours"] > 0
        assert rows[f"a drill, {name}"]["budget"] == pytest.approx(1 / 1.15, abs=0.001)
        assert rows[f"its scratch space, {name}"]["verdict"] == "met"
        assert written["rounds"][name]["used"] > 12 << 20
    assert list(tmp_path.iterdir()) == [out]
