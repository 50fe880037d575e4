"""Having checkpoints co-signed: by witnesses that work, lie, forget, dawdle and are gone."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep

import pytest

from secvault.audit import AuditLog, Event
from secvault.audit.checkpoints import StoredCheckpoint, sign_head
from secvault.audit.cosignatures import newest_cosigned, published, published_note
from secvault.audit.proofs import prove_inclusion
from secvault.audit.witness_client import (
    CONTRADICTED,
    LATE,
    MALFORMED,
    TRUST,
    UNKNOWN_KEY,
    UNKNOWN_LOG,
    UNREACHABLE,
    Answer,
    Witness,
    ask,
)
from secvault.audit.witnesses import AHEAD, WitnessState, have_cosigned, mark_told, states
from secvault.clock import Clock
from secvault.crypto.cosignature import WitnessSigner, cosignatures
from secvault.crypto.log_policy import LogPolicy
from secvault.crypto.note import NoteSigner
from secvault.crypto.secret import Secret
from secvault.crypto.witness_request import SIZE_TYPE, AddCheckpoint
from secvault.errors import Damaged
from secvault.store import Store
from secvault.witness import answering
from secvault.witness.state import WitnessFile
from tests.audit.conftest import ORIGIN
from tests.audit.tampering import fit_head, forge, intrusion

Reading = Callable[[int], Event]


@dataclass
class Somewhere:
    """Witnesses that are asked without a network, and how often each was."""

    there: dict[str, answering.Witness] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def ask(self, requests: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
        return {witness: self._one(witness, request) for witness, request in requests.items()}

    def _one(self, witness: Witness, request: AddCheckpoint) -> Answer:
        self.asked.append(witness.name)
        if witness.name not in self.there:
            return Answer(reason=UNREACHABLE)
        reply = self.there[witness.name].add_checkpoint(request.format())
        if reply.status == 200:
            return Answer(lines=reply.body)
        if reply.media_type == SIZE_TYPE:
            return Answer(size=int(reply.body))
        return Answer(reason=CONTRADICTED if reply.status in (409, 422) else UNKNOWN_KEY)


def key_of(name: str) -> WitnessSigner:
    return WitnessSigner(f"{name}.example.com", Secret(name.encode().ljust(32, b"\0")))


def witness(name: str, url: str = "https://nowhere") -> Witness:
    return Witness(name, url, key_of(name).verifier())


@pytest.fixture
def somewhere(signer: NoteSigner, stepping: Clock, tmp_path: Path) -> Somewhere:
    there = {}
    for name in ("alpha", "beta"):
        state = WitnessFile.make(tmp_path / f"{name}.db")
        logs = {ORIGIN: (signer.verifier(),)}
        there[name] = answering.Witness(key_of(name), logs, state, stepping)
    return Somewhere(there)


@dataclass
class Growing:
    """A log that is written to and signed."""

    store: Store
    log: AuditLog
    clock: Clock
    signer: NoteSigner
    reading: Reading

    def sign(self, more: int) -> StoredCheckpoint:
        self.log.record_many(map(self.reading, range(more)))
        return sign_head(self.store, self.clock, self.signer, origin=ORIGIN)

    def have_cosigned(self, signed: StoredCheckpoint, *names: str, at: Somewhere) -> int:
        return have_cosigned(self.store, self.clock, signed, list(map(witness, names)), at.ask)

    def state(self, name: str) -> WitnessState:
        return next(one for one in states(self.store) if one.name == name)


@pytest.fixture
def growing(
    any_store: Store, log: AuditLog, stepping: Clock, signer: NoteSigner, reading: Reading
) -> Growing:
    return Growing(any_store, log, stepping, signer, reading)


def test_every_witness_cosigns_and_the_note_is_published_with_all_of_them(
    growing: Growing, somewhere: Somewhere, signer: NoteSigner
) -> None:
    for more in (3, 300, 1):
        signed = growing.sign(more)
        assert growing.have_cosigned(signed, "alpha", "beta", at=somewhere) == 2
        note = published_note(growing.store, signed)
        assert note.startswith(signed.note)
        found = cosignatures(note, [key_of(name).verifier() for name in ("beta", "alpha")])
        assert [one.witness.name for one in found] == ["alpha.example.com", "beta.example.com"]
    assert somewhere.asked == ["alpha", "beta"] * 3
    assert growing.have_cosigned(signed, "alpha", "beta", at=somewhere) == 0
    assert len(somewhere.asked) == 6
    with growing.store.read() as connection:
        assert newest_cosigned(connection) == signed
        proven = prove_inclusion(connection, published(growing.store, signed), 2)
    assert proven.check([signer.verifier()], ORIGIN).size == signed.size
    policy = LogPolicy.parse(
        f"log {signer.verifier().vkey}\nwitness a {key_of('alpha').verifier().vkey}\n"
        f"witness b {key_of('beta').verifier().vkey}\ngroup both all a b\nquorum both".encode()
    )
    proven.verify(policy.check(proven.note).checkpoint)
    with pytest.raises(Damaged):
        policy.check(signed.note)


def test_a_witness_that_is_gone_holds_up_nobody_and_catches_up(
    growing: Growing, somewhere: Somewhere
) -> None:
    gone = somewhere.there.pop("beta")
    first = growing.sign(3)
    assert growing.have_cosigned(first, "alpha", "beta", at=somewhere) == 1
    second = growing.sign(4)
    assert growing.have_cosigned(second, "alpha", "beta", at=somewhere) == 1
    failing = growing.state("beta")
    assert (failing.size, failing.reason, failing.cosigned_at) == (0, UNREACHABLE, None)
    assert failing.failing_since is not None
    assert failing.failing_since < failing.asked_at
    somewhere.there["beta"] = gone
    assert growing.have_cosigned(growing.sign(0), "alpha", "beta", at=somewhere) == 1
    back = growing.state("beta")
    assert (back.size, back.reason, back.failing_since) == (second.size, None, None)


def test_the_size_that_a_witness_states_is_asked_for_at_once(
    growing: Growing, somewhere: Somewhere
) -> None:
    first = growing.sign(5)
    # Cosigned by the other node of two, whose answer was lost with it.
    somewhere.there["alpha"].add_checkpoint(AddCheckpoint(0, (), first.note).format())
    second = growing.sign(6)
    assert growing.have_cosigned(second, "alpha", at=somewhere) == 1
    assert somewhere.asked == ["alpha", "alpha"]
    assert growing.state("alpha").size == second.size


def test_a_witness_that_has_seen_more_than_is_here_is_an_alarm(
    growing: Growing, somewhere: Somewhere
) -> None:
    first = growing.sign(5)
    later = growing.sign(6)
    growing.have_cosigned(later, "alpha", at=somewhere)
    with growing.store.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit_witness")
    with intrusion(growing.store) as connection:
        connection.exec_driver_sql(f"DELETE FROM audit_checkpoint WHERE size = {later.size}")
    assert growing.have_cosigned(first, "alpha", at=somewhere) == 0
    assert growing.state("alpha").reason == AHEAD
    with growing.store.read() as connection:
        assert newest_cosigned(connection) is None


def test_that_another_node_was_faster_is_no_alarm(growing: Growing, somewhere: Somewhere) -> None:
    first = growing.sign(5)
    later = growing.sign(6)
    somewhere.there["alpha"].add_checkpoint(AddCheckpoint(0, (), later.note).format())
    assert growing.have_cosigned(first, "alpha", at=somewhere) == 0
    assert states(growing.store) == ()


def test_an_administrator_with_the_database_and_the_key_cannot_rewrite_what_was_cosigned(
    growing: Growing, somewhere: Somewhere, signer: NoteSigner
) -> None:
    signed = growing.sign(9)
    growing.have_cosigned(signed, "alpha", at=somewhere)
    with growing.store.read() as connection:
        entry = prove_inclusion(connection, signed, 4).entry
    with intrusion(growing.store) as connection:
        forge(connection, 4, entry.replace(b"user", b"svc", 1))
        connection.exec_driver_sql("DELETE FROM audit_checkpoint")
        connection.exec_driver_sql("DELETE FROM audit_node")
        connection.exec_driver_sql("DELETE FROM audit_head WHERE log <> 'main'")
        connection.exec_driver_sql("DELETE FROM audit_witness")
        connection.exec_driver_sql("DELETE FROM audit_cosignature")
        fit_head(connection)
    forged = sign_head(growing.store, growing.clock, signer, origin=ORIGIN)
    assert forged.size == signed.size
    assert forged.root != signed.root
    assert growing.have_cosigned(forged, "alpha", at=somewhere) == 0
    assert growing.state("alpha").reason == CONTRADICTED
    more = growing.sign(3)
    assert growing.have_cosigned(more, "alpha", at=somewhere) == 0
    assert growing.state("alpha").reason == CONTRADICTED


@pytest.mark.parametrize(
    "lines", [b"", b"\n", b"nonsense\n", b"\xff", "— alpha.example.com AAAA\n".encode()]
)
def test_an_answer_that_does_not_verify_is_not_kept(growing: Growing, lines: bytes) -> None:
    signed = growing.sign(3)

    def lying(requests: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
        return {one: Answer(lines=lines) for one in requests}

    def of_another_key(requests: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
        text = signed.note.partition(b"\n\n")[0].decode() + "\n"
        line = key_of("beta").cosign(text, 1).format().encode()
        return {one: Answer(lines=line) for one in requests}

    for answering_so in (lying, of_another_key):
        done = have_cosigned(growing.store, growing.clock, signed, [witness("alpha")], answering_so)
        assert done == 0
        assert growing.state("alpha").reason == MALFORMED
        assert published_note(growing.store, signed) == signed.note


def test_people_are_told_once_by_whichever_node_comes_first(
    growing: Growing, somewhere: Somewhere
) -> None:
    growing.have_cosigned(growing.sign(3), "gone", at=somewhere)
    with growing.store.write() as connection:
        assert mark_told(connection, "gone", UNREACHABLE)
        assert not mark_told(connection, "gone", UNREACHABLE)
        assert mark_told(connection, "gone", None)
        assert not mark_told(connection, "gone", None)


@contextmanager
def served(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server on this machine that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def said(status: int, body: bytes = b"", kind: str = "text/plain") -> Callable[..., None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


REQUEST = AddCheckpoint(0, (), b"note\n")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said(200, b"lines\n"), Answer(lines=b"lines\n")),
        (said(409, b"17\n", SIZE_TYPE), Answer(size=17)),
        (said(409, b"017\n", SIZE_TYPE), Answer(reason=MALFORMED)),
        (said(409, b"17\n"), Answer(reason=CONTRADICTED)),
        (said(422), Answer(reason=CONTRADICTED)),
        (said(403), Answer(reason=UNKNOWN_KEY)),
        (said(404), Answer(reason=UNKNOWN_LOG)),
        (said(500), Answer(reason="failed")),
        (said(302), Answer(reason="failed")),
        (said(200, bytes(100_000)), Answer(reason=MALFORMED)),
    ],
)
def test_each_answer_over_http_is_taken_for_what_it_is(
    answer: Callable[[BaseHTTPRequestHandler], None], expected: Answer
) -> None:
    with served(answer) as url:
        one = witness("alpha", url)
        assert ask({one: REQUEST}) == {one: expected}


def test_witnesses_that_dawdle_or_are_gone_take_no_longer_than_they_may() -> None:
    over = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.05):
                handler.wfile.write(b"x: y\r\n")
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as closed:
        gone = closed.getsockname()[1]
    with served(trickle) as slow, served(said(200, b"ok\n")) as quick:
        late = [replace(witness(f"late-{at}", slow), seconds=0.4) for at in range(3)]
        alive = witness("alive", quick)
        missing = witness("missing", f"http://127.0.0.1:{gone}")
        distrusted = replace(witness("distrusted", quick), ca_file=Path("/nowhere.pem"))
        started = monotonic()
        answers = ask(dict.fromkeys([*late, alive, missing, distrusted], REQUEST))
        took = monotonic() - started
        over.set()
        sleep(0)
    assert [answers[one].reason for one in late] == [LATE] * 3
    assert answers[alive].lines == b"ok\n"
    assert answers[missing].reason == UNREACHABLE
    assert answers[distrusted].reason == TRUST
    # All at once: not the sum of their times. Wide, for a machine that is busy.
    assert took < 5
