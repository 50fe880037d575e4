"""The witnesses of a vault's log: asked by its settings, told of, shown to those who audit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from secvault.audit.leaf import StoredEvent
from secvault.audit.query import Question, page
from secvault.audit.witness_client import CONTRADICTED, UNREACHABLE, Answer, Witness
from secvault.config.witnesses import WitnessSettings
from secvault.crypto.cosignature import WitnessSigner
from secvault.crypto.log_policy import LogPolicy
from secvault.crypto.secret import Secret
from secvault.crypto.witness_request import AddCheckpoint
from secvault.errors import ConfigurationError, Refused
from secvault.notices.rules import telling_of
from secvault.service import (
    Service,
    audit_log,
    audit_proofs,
    audit_witnesses,
    authentication,
    readiness,
)
from secvault.service.spine import Caller
from secvault.witness import answering
from secvault.witness.state import WitnessFile
from tests.running_service import House, signed_in

SIGNER = WitnessSigner("witness.example.com/branch", Secret(bytes(32)))


@dataclass
class Branch:
    """The witness of the branch office; reason: why it does not answer, when it does not."""

    witness: answering.Witness
    reason: str = ""
    asked: list[int] = field(default_factory=list)

    def ask(self, requests: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
        return {one: self._one(request) for one, request in requests.items()}

    def _one(self, request: AddCheckpoint) -> Answer:
        self.asked.append(request.old_size)
        if self.reason:
            return Answer(reason=self.reason)
        reply = self.witness.add_checkpoint(request.format())
        assert reply.status == 200, reply
        return Answer(lines=reply.body)


@pytest.fixture
def watched(house: House) -> Iterator[Service]:
    """A service whose settings declare the witness of the branch office."""
    with house.open() as opened:
        declared = WitnessSettings(url="https://branch.example.com", vkey=SIGNER.verifier().vkey)
        audit = opened.settings.audit.model_copy(update={"witnesses": {"branch": declared}})
        yield replace(opened, settings=opened.settings.model_copy(update={"audit": audit}))


@pytest.fixture
def branch(watched: Service, tmp_path: Path) -> Branch:
    verifier = watched.signing.audit.verifier()
    state = WitnessFile.make(tmp_path / "branch.db")
    logs = {verifier.name: (verifier,)}
    return Branch(answering.Witness(SIGNER, logs, state, watched.clock))


@pytest.fixture
def operator(watched: Service) -> Caller:
    return Caller(authentication.local_operator(watched))


def told(service: Service) -> list[StoredEvent]:
    service.audit.drain()
    found = page(service.store, Question(kind="audit.witness"), after=None, limit=100)
    return list(reversed(found.events))


def test_the_head_is_cosigned_and_what_is_handed_out_carries_it(
    watched: Service, branch: Branch, operator: Caller
) -> None:
    audit_log.take_checkpoint(watched, operator)
    assert audit_witnesses.have_head_cosigned(watched, branch.ask) == 1
    policy = LogPolicy.parse(
        f"log {watched.signing.audit.verifier().vkey}\n"
        f"witness branch {SIGNER.verifier().vkey}\nquorum branch".encode()
    )
    note = audit_proofs.read_tile(watched, operator, "checkpoint")
    assert set(policy.check(note).cosigned) == {"branch"}
    # The newest checkpoint grows on; a proof is by one that was co-signed.
    audit_log.take_checkpoint(watched, operator)
    proven = audit_proofs.prove_event(watched, operator, 0)
    proven.verify(policy.check(proven.note).checkpoint)
    (view,) = audit_witnesses.list_witnesses(watched, operator)
    assert view.state is not None
    assert (view.name, view.state.reason, view.lag > 0) == ("branch", None, True)
    assert told(watched) == []
    assert readiness.check(watched).witnesses is True


def test_a_witness_that_fails_for_long_is_told_once_and_so_is_its_return(
    watched: Service, branch: Branch, operator: Caller, house: House
) -> None:
    branch.reason = UNREACHABLE
    audit_log.take_checkpoint(watched, operator)
    for _ in range(2):
        audit_witnesses.have_head_cosigned(watched, branch.ask)
    assert told(watched) == []
    assert readiness.check(watched).witnesses is True
    house.hands.seconds += 901
    for _ in range(3):
        audit_witnesses.have_head_cosigned(watched, branch.ask)
    (failing,) = told(watched)
    assert dict(failing.event.detail) == {
        "target": "branch", "state": "failing", "size": 0, "reason": UNREACHABLE
    }  # fmt: skip
    state = readiness.check(watched)
    assert (state.ready, state.witnesses) == (True, False)
    branch.reason = ""
    for _ in range(2):
        audit_witnesses.have_head_cosigned(watched, branch.ask)
    assert [one.event.detail["state"] for one in told(watched)] == ["failing", "cosigning"]
    assert readiness.check(watched).witnesses is True
    tellings = [telling_of(one) for one in told(watched)]
    assert [one.kind for one in tellings if one] == ["witness_failing", "witness_cosigning"]


def test_a_witness_that_contradicts_the_log_is_told_at_once(
    watched: Service, branch: Branch, operator: Caller
) -> None:
    branch.reason = CONTRADICTED
    audit_log.take_checkpoint(watched, operator)
    for _ in range(2):
        audit_witnesses.have_head_cosigned(watched, branch.ask)
    (alarm,) = told(watched)
    assert alarm.event.detail["state"] == "contradicted"
    telling = telling_of(alarm)
    assert telling is not None
    assert (telling.alarm, telling.administrators) == (True, True)
    assert readiness.check(watched).witnesses is False


def test_auditors_see_the_witnesses_and_clerks_do_not(
    watched: Service, branch: Branch, house: House
) -> None:
    assert audit_witnesses.list_witnesses(watched, signed_in(watched, house, "auditor"))
    with pytest.raises(Refused):
        audit_witnesses.list_witnesses(watched, signed_in(watched, house, "clerk"))
    assert branch.asked == []


def test_a_key_that_is_none_is_named_by_its_setting(watched: Service) -> None:
    wrong = WitnessSettings(url="https://x", vkey="x+00000000+BAAA")
    audit = watched.settings.audit.model_copy(update={"witnesses": {"branch": wrong}})
    settings = watched.settings.model_copy(update={"audit": audit})
    with pytest.raises(ConfigurationError, match=r"audit\.witnesses\.branch\.vkey"):
        audit_witnesses.witnesses_of(settings)


def test_a_service_without_witnesses_asks_nobody(service: Service) -> None:
    def never(_: Mapping[Witness, AddCheckpoint]) -> Mapping[Witness, Answer]:
        raise AssertionError

    audit_log.take_checkpoint(service, Caller(authentication.local_operator(service)))
    assert audit_witnesses.have_head_cosigned(service, never) == 0
    assert readiness.check(service).witnesses is True
