"""scripts/services, driven as a person drives it, against the real servers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

SERVICES = Path(__file__).parents[2] / "scripts" / "services"
OF_EACH = {
    "postgresql": ["SVTEST_POSTGRESQL"],
    "mariadb": ["SVTEST_MARIADB"],
    "s3": ["SVTEST_S3_ENDPOINT", "SVTEST_S3_ACCESS_KEY", "SVTEST_S3_SECRET_KEY"],
    "openbao": ["SVTEST_OPENBAO_ADDR", "SVTEST_OPENBAO_TOKEN", "SVTEST_OPENBAO_AUDIT"],
    "softhsm": [
        "SOFTHSM2_CONF",
        "SVTEST_PKCS11_MODULE",
        "SVTEST_PKCS11_TOKEN",
        "SVTEST_PKCS11_PIN",
    ],
    "go": ["SVTEST_GO", "SVTEST_GO_SOURCES"],
    "libreoffice": ["SVTEST_SOFFICE"],
    "restic": ["SVTEST_NEWER_RESTIC"],
}

# Each does something that only a working server can do and prints what came back.
TALKS = {
    "postgresql": """
import os, psycopg
with psycopg.connect(os.environ["SVTEST_POSTGRESQL"], autocommit=True) as connection:
    connection.execute("CREATE DATABASE talked")
    print(connection.execute("SELECT usesuper FROM pg_user WHERE usename = user").fetchone())
    print(connection.execute("SHOW max_connections").fetchone())
""",
    "mariadb": """
import os, subprocess
from urllib.parse import urlsplit
at = urlsplit(os.environ["SVTEST_MARIADB"])
sql = "CREATE DATABASE talked; USE talked; CREATE TABLE t (n INT) ENGINE=InnoDB;"
sql += "INSERT INTO t VALUES (41); SELECT n + 1 FROM t; CREATE USER talker IDENTIFIED BY 'x'"
where = [f"--host={at.hostname}", f"--port={at.port}", f"--user={at.username}"]
env = {**os.environ, "MYSQL_PWD": at.password}
subprocess.run(["mariadb", "--no-defaults", *where, "-N", "-e", sql], env=env, check=True)
""",
    "s3": """
import os, boto3
from botocore.config import Config
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["SVTEST_S3_ENDPOINT"],
    aws_access_key_id=os.environ["SVTEST_S3_ACCESS_KEY"],
    aws_secret_access_key=os.environ["SVTEST_S3_SECRET_KEY"],
    region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}),
)
s3.create_bucket(Bucket="talked")
s3.put_object(Bucket="talked", Key="k", Body=b"whole")
print(s3.get_object(Bucket="talked", Key="k")["Body"].read())
""",
    "openbao": """
import os, hvac
bao = hvac.Client(os.environ["SVTEST_OPENBAO_ADDR"], os.environ["SVTEST_OPENBAO_TOKEN"])
bao.secrets.transit.create_key("talked")
sealed = bao.secrets.transit.encrypt_data("talked", plaintext="aGVsbG8=")["data"]["ciphertext"]
print(bao.secrets.transit.decrypt_data("talked", sealed)["data"]["plaintext"])
print(list(bao.sys.list_enabled_audit_devices()["data"]))
""",
    "softhsm": """
import os, pkcs11
token = pkcs11.lib(os.environ["SVTEST_PKCS11_MODULE"]).get_token(
    token_label=os.environ["SVTEST_PKCS11_TOKEN"]
)
with token.open(user_pin=os.environ["SVTEST_PKCS11_PIN"], rw=True) as session:
    key = session.generate_key(pkcs11.KeyType.AES, 256, label="talked", store=True)
    print(key.key_length)
""",
    "go": """
import os, subprocess
env = {**os.environ, "GO111MODULE": "off", "GOPATH": os.environ["SVTEST_GO_SOURCES"]}
command = [os.environ["SVTEST_GO"], "list", "golang.org/x/mod/sumdb/tlog"]
subprocess.run(command, env=env, check=True)
""",
    "libreoffice": """
import os, subprocess
said = subprocess.check_output([os.environ["SVTEST_SOFFICE"], "--version"], text=True)
print(said.split()[0])
""",
    "restic": """
import os, subprocess
said = subprocess.check_output([os.environ["SVTEST_NEWER_RESTIC"], "version"], text=True)
name, version = said.split()[:2]
print(name, tuple(map(int, version.split(".")[:2])) >= (0, 18))
""",
}
ANSWERS = {
    "postgresql": "(True,)\n('200',)\n",
    "mariadb": "42\n",
    "s3": "b'whole'\n",
    "openbao": "aGVsbG8=\n['main/']\n",
    "softhsm": "256\n",
    "go": "golang.org/x/mod/sumdb/tlog\n",
    "libreoffice": "LibreOffice\n",
    "restic": "restic True\n",
}


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A folder that servers under accounts of their own can pass through; tmp_path is for one."""
    folder = Path(tempfile.mkdtemp(prefix="svtest-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def services(*arguments: str | Path, tmp: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run scripts/services to its end; `tmp` is where `run` makes its folder."""
    with begun(*arguments, tmp=tmp) as child:
        out, err = told(child)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def told(child: subprocess.Popen[str]) -> tuple[str, str]:
    """What it said until its end; when that does not come, it is asked to take its servers away."""
    try:
        return child.communicate(timeout=250)
    except subprocess.TimeoutExpired:
        child.terminate()
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            child.kill()
        raise


def begun(*arguments: str | Path, tmp: Path | None = None) -> subprocess.Popen[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SVTEST_")}
    return subprocess.Popen(
        [SERVICES, *arguments],
        env=env if tmp is None else {**env, "TMPDIR": str(tmp)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def in_sessions(pids: Sequence[int]) -> list[str]:
    """What runs now and is one of these processes or was started by one (servers lead sessions)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX" and int(fields[3]) in pids:
            found.append(stat.parent.name)
    return found


def pids_noted_in(folder: Path) -> list[int]:
    """The processes that were started for the servers below this folder."""
    files = folder.glob("**/processes")
    return [int(line.split()[0]) for file in files for line in file.read_text().splitlines()]


@pytest.mark.real
@pytest.mark.parametrize("service", sorted(OF_EACH))
def test_a_server_answers_while_the_command_runs_and_nothing_of_it_is_left_after(
    service: str, reachable_folder: Path
) -> None:
    note_pids = f"""
import pathlib, sys
for file in pathlib.Path({str(reachable_folder)!r}).glob("services-*/*/processes"):
    print("pids", *(line.split()[0] for line in file.read_text().splitlines()), file=sys.stderr)
"""
    done = services(
        *("run", "--only", service, "--", sys.executable, "-c", TALKS[service] + note_pids),
        tmp=reachable_folder,
    )
    assert (done.returncode, done.stdout) == (0, ANSWERS[service]), done.stderr
    noted = re.search(r"^pids (.+)$", done.stderr, re.MULTILINE)
    assert noted, done.stderr
    assert in_sessions([int(pid) for pid in noted[1].split()]) == []
    assert list(reachable_folder.iterdir()) == []


@pytest.mark.real
def test_servers_stay_from_start_to_stop_and_then_nothing_is_left(reachable_folder: Path) -> None:
    folder = reachable_folder / "servers"
    started = services("start", "--dir", folder, "--only", "postgresql,openbao", "--json")
    assert started.returncode == 0, started.stderr
    variables = json.loads(started.stdout)
    assert sorted(variables) == sorted(OF_EACH["postgresql"] + OF_EACH["openbao"])
    pids = pids_noted_in(folder)
    assert len(in_sessions(pids)) >= 2
    with psycopg.connect(variables["SVTEST_POSTGRESQL"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)

    again = services("start", "--dir", folder, "--only", "postgresql")
    assert (again.returncode, "not empty" in again.stderr) == (2, True)

    stopped = services("stop", "--dir", folder)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, "", "")
    assert in_sessions(pids) == []
    assert not folder.exists()
    assert services("stop", "--dir", folder).returncode == 2


@pytest.mark.real
def test_without_json_start_prints_lines_for_a_shell(reachable_folder: Path) -> None:
    folder = reachable_folder / "servers"
    started = services("start", "--dir", folder, "--only", "postgresql")
    shell = subprocess.run(
        ["sh", "-c", 'eval "$1"; printf %s "$SVTEST_POSTGRESQL"', "sh", started.stdout],
        capture_output=True,
        text=True,
        check=True,
    )
    with psycopg.connect(shell.stdout) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert services("stop", "--dir", folder).returncode == 0


@pytest.mark.real
def test_two_at_once_do_not_meet(reachable_folder: Path) -> None:
    talk = TALKS["postgresql"]  # makes a database of a name that it can make only once
    command = ["run", "--only", "postgresql", "--", sys.executable, "-c", talk]
    with begun(*command) as one, begun(*command) as two:
        outputs = [told(each)[0] for each in (one, two)]
    assert outputs == [ANSWERS["postgresql"]] * 2
    assert (one.returncode, two.returncode) == (0, 0)


@pytest.mark.real
@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", 128 + 15)])
def test_the_exit_code_is_the_commands_own(script: str, code: int) -> None:
    assert services("run", "--only", "postgresql", "--", "sh", "-c", script).returncode == code


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_and_the_servers(
    number: signal.Signals, reachable_folder: Path
) -> None:
    command = ["run", "--only", "postgresql", "--", "sh", "-c", "echo up; exec sleep 600"]
    with begun(*command, tmp=reachable_folder) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        pids = pids_noted_in(reachable_folder)
        assert in_sessions(pids)
        child.send_signal(number)
        assert child.wait(timeout=200) == 128 + number
    assert in_sessions(pids) == []
    assert list(reachable_folder.iterdir()) == []


@pytest.mark.real
def test_a_signal_during_the_start_leaves_nothing(reachable_folder: Path) -> None:
    with begun("run", "--only", "s3", "--", "sh", "-c", "echo ran", tmp=reachable_folder) as child:
        deadline = time.monotonic() + 150
        while not pids_noted_in(reachable_folder) and time.monotonic() < deadline:
            time.sleep(0.01)
        pids = pids_noted_in(reachable_folder)
        child.send_signal(signal.SIGTERM)
        out, err = told(child)
    assert (child.returncode, out, err) == (128 + 15, "", "")
    assert pids
    assert in_sessions(pids) == []
    assert list(reachable_folder.iterdir()) == []


@pytest.mark.real
def test_a_port_that_somebody_takes_first_is_replaced(reachable_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        script = f"""
import sys, threading
from pathlib import Path
from throwaway import serve, site
given = []
def pick(count):
    given.append([{taken}] if not given else site.free_ports(count))
    return given[-1]
folder = Path({str(reachable_folder / "servers")!r})
started = serve.start(folder, ["postgresql"], threading.Event(), pick)
print(started.variables["SVTEST_POSTGRESQL"], flush=True)
assert len(given) == 2, given
sys.stdin.read()
serve.stop(folder)
"""
        with subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": str(SERVICES.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            with psycopg.connect(child.stdout.readline().strip()) as connection:
                assert connection.info.port != taken
    assert child.returncode == 0
    assert list(reachable_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--only", "oracle", "--", "true"], "'oracle'; there are postgresql, mariadb"),
        (["run", "--only", "", "--", "true"], "no service is called ''"),
        (["run", "--only", "postgresql"], "say what to run, after --"),
        (["run", "--only", "postgresql", "--", "no-such-program"], "no program no-such-program"),
        (["start", "--only", "postgresql"], "--dir"),
        (["start", "--dir", "/nowhere/at/all"], "there is no folder /nowhere/at"),
        (["stop", "--dir", "/nowhere"], "no servers were started in /nowhere"),
        ([], "run|start|stop"),
    ],
)
def test_wrong_usage_says_what_to_give_and_starts_nothing(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = services(*arguments, tmp=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebodys_own_is_neither_used_nor_emptied(tmp_path: Path) -> None:
    # Names that begin like a server's, even with a register in it.
    for name in ("postgresql-common", "postgresql-1", "s3-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "processes").write_text(f"{os.getpid()} 1 15\n")
    before = sorted(tmp_path.rglob("*"))
    stopped = services("stop", "--dir", tmp_path)
    assert (stopped.returncode, "no servers were started in" in stopped.stderr) == (2, True)
    started = services("start", "--dir", tmp_path, "--only", "postgresql")
    assert (started.returncode, "is not empty" in started.stderr) == (2, True)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.real
def test_stop_keeps_the_files_that_others_put_beside_the_servers(reachable_folder: Path) -> None:
    folder = reachable_folder / "servers"
    assert services("start", "--dir", folder, "--only", "openbao").returncode == 0
    (folder / "openbao-notes").mkdir()
    (folder / "openbao-notes" / "mine.txt").write_text("mine")
    assert services("stop", "--dir", folder).returncode == 0
    kept = sorted(folder.rglob("*"))
    assert kept == [folder / "openbao-notes", folder / "openbao-notes" / "mine.txt"]


def test_a_program_that_cannot_be_installed_here_is_named_with_its_package(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SERVICES, "run", "--only", "mariadb", "--", "/bin/true"],
        env={"PATH": str(tmp_path)},  # neither the client is on it nor apt-get
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "install what Debian calls: mariadb-client" in done.stderr
