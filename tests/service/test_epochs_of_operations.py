"""Whatever takes something away, or changes a key, raises the epoch that memory is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from secvault.identity.approle_log_in import Presented
from secvault.identity.approles import RoleSettings
from secvault.identity.secret_ids import NewSecretId
from secvault.service import (
    Service,
    approles,
    authentication,
    eligibilities,
    grants,
    leaked_tokens,
    role_activation,
    role_requests,
    systems,
    token_life,
    token_tree,
    transit,
)
from secvault.service.break_glass import operations as break_glass
from secvault.service.eligibilities import WantedEligibility
from secvault.service.grant_ends import keep_enough
from secvault.service.reviews import decisions, starting
from secvault.service.reviews import operations as reviews
from secvault.service.reviews.facts import Scope
from secvault.service.role_activation import Use
from secvault.service.role_requests import WantedRole
from secvault.service.spans import Span
from secvault.service.spine import Caller
from secvault.store.epoch import Epochs, read_epochs
from tests.contract.material import certificate_of, public_of
from tests.running_service import House, join, signed_in, system_token
from tests.service.approval_house import staffed
from tests.service.policy_house import applied, more

T = TypeVar("T")


class Hand:
    """What the operations are done with."""

    def __init__(self, service: Service, house: House) -> None:
        self.service = service
        self.house = house
        self.operator = Caller(authentication.local_operator(service))
        self.text = system_token(service, "worker", "it", "role:it.cryptor")
        self.worker = Caller(authentication.authenticate(service, self.text))
        self.key_id = self.text.split("_")[1]
        options = transit.KeyOptions(exportable=True, allow_plaintext_backup=True)
        transit.create_key(service, self.worker, "transit", "k", options)
        transit.rotate_key(service, self.worker, "transit", "k")
        transit.enable_mount(service, self.operator, "teams/pay", "hr", "")
        role = approles.write_approle(service, self.operator, "worker", lambda present: present)
        secret = approles.create_secret_id(service, self.operator, "worker", NewSecretId())
        self.accessor = secret.known.accessor
        approles.log_in(service, Presented(role.role.role_id, secret.text, ""))

    def configure(self, **changes: object) -> None:
        given = transit.KeyChanges(**changes)  # type: ignore[arg-type]
        transit.configure_key(self.service, self.operator, "transit", "k", given)

    def delete(self) -> None:
        self.configure(deletion_allowed=True)
        transit.delete_key(self.service, self.operator, "transit", "k")

    def trim(self) -> None:
        self.configure(min_decryption_version=2, min_encryption_version=2)
        transit.trim_key(self.service, self.operator, "transit", "k", 2)

    def narrow_approle(self) -> None:
        def narrowed(present: RoleSettings) -> RoleSettings:
            return replace(present, policies=("default",))

        approles.write_approle(self.service, self.operator, "worker", narrowed)

    def certify(self) -> None:
        public = ("transit", "signer", transit.KeyOptions("ecdsa-p256"))
        given = {"wrapped": b"", "hash_function": "SHA256", "public": public_of("ecdsa-p256")}
        custodian = Caller(
            authentication.authenticate(
                self.service, system_token(self.service, "keeper", "it", "role:it.key_custodian")
            )
        )
        transit.import_key(self.service, custodian, *public, **given)
        chain = certificate_of("ecdsa-p256")
        before = _epochs(self.service)
        transit.set_certificate(self.service, self.operator, "transit", "signer", None, chain)
        assert _epochs(self.service).keys > before.keys

    def agree(self) -> None:
        options = transit.KeyOptions("ecdsa-p256")
        transit.create_key(self.service, self.worker, "transit", "base", options)
        before = _epochs(self.service)
        transit.derive_key(
            self.service,
            self.worker,
            "transit",
            "agreed",
            base="base",
            base_version=0,
            peer=public_of("ecdsa-p256"),
            algorithm="ecdh",
            kind="aes256-gcm96",
        )
        assert _epochs(self.service).keys > before.keys

    def review(self, what: str, days: int | None = None) -> None:
        head = signed_in(self.service, self.house, "head")
        scope = Scope(roles=("role:hr.clerk",))
        plan = starting.Plan("Q4", scope)
        starting.start(self.service, self.operator, plan)
        before = _epochs(self.service)
        (item,) = reviews.own_items(self.service, head)
        verdict = decisions.Verdict(what, "because", days)
        decisions.decide(self.service, head, item.item.id, verdict)
        assert _epochs(self.service).policy > before.policy

    def break_glass(self) -> str:
        who = join(self.service, self.house, "mai", ("role:it.break_glass_holder", "it"))
        before = _epochs(self.service)
        begun = break_glass.start(self.service, who, "it burns")
        assert _epochs(self.service).policy > before.policy
        return begun.incident.id

    def moved(self, change: Callable[[], T]) -> T:
        before = _epochs(self.service)
        done = change()
        assert _epochs(self.service).policy > before.policy
        return done

    def give(self, **more: object) -> str:
        join(self.service, self.house, "lan")
        role = {"subject": "user:lan", "role": "role:hr.clerk", "department": "hr", **more}
        return grants.add_grant(self.service, self.operator, **role).id  # type: ignore[arg-type]

    def renew(self) -> None:
        made = self.give(days=10)
        longer = Span(seconds=20 * 86_400)
        self.moved(lambda: grants.renew_grant(self.service, self.operator, made, span=longer))

    def make_eligible(self) -> None:
        join(self.service, self.house, "lan")
        wanted = WantedEligibility("user:lan", "role:hr.clerk", "hr")
        made = self.moved(lambda: eligibilities.add(self.service, self.operator, wanted))
        self.moved(lambda: eligibilities.remove(self.service, self.operator, made.id))

    def activate(self) -> None:
        lan = join(self.service, self.house, "lan")
        wanted = WantedEligibility("user:lan", "role:hr.clerk", "hr")
        eligibilities.add(self.service, self.operator, wanted)
        use = Use("role:hr.clerk", "hr", "because")
        done = self.moved(lambda: role_activation.activate(self.service, lan, use))
        grant = done.grant.id
        self.moved(lambda: role_activation.deactivate(self.service, lan, grant))

    def claim(self) -> None:
        staff = staffed(self.service, self.house)
        lan = staff.hire("lan", ("role:it.clerk", "it"))
        wanted = WantedRole("role:hr.clerk", "hr", 60, "because")
        request = role_requests.ask(self.service, lan, wanted).request.id
        for name in ("admin", "head"):
            staff.approve(staff.again(name), request)
        lan = staff.again("lan")
        self.moved(lambda: role_requests.claim(self.service, lan, request))

    def keep(self) -> None:
        self.house.hands.seconds += 360 * 86_400
        assert self.moved(lambda: keep_enough(self.service))

    def grant_of_worker(self) -> str:
        subject = self.worker.principal.subject
        found = grants.list_grants(self.service, self.operator)
        return next(each.id for each in found if each.subject == subject)


KEYS: dict[str, Callable[[Hand], object]] = {
    "create": lambda it: transit.create_key(
        it.service, it.worker, "transit", "new", transit.KeyOptions()
    ),
    "rotate": lambda it: transit.rotate_key(it.service, it.worker, "transit", "k"),
    "limit": lambda it: it.configure(min_decryption_version=2),
    "trim": Hand.trim,
    "soft-delete": lambda it: transit.set_soft_deleted(
        it.service, it.operator, "transit", "k", deleted=True
    ),
    "delete": Hand.delete,
    "keep a certificate": lambda it: it.certify(),
    "agree on one": lambda it: it.agree(),
    "move the mount": lambda it: transit.move_mount(it.service, it.operator, "teams/pay", "pay"),
    "tune the mount": lambda it: transit.tune_mount(it.service, it.operator, "teams/pay", "x"),
    "set for the mount": lambda it: transit.configure_mount(
        it.service, it.operator, "transit", disable_upsert=True
    ),
    "disable the mount": lambda it: transit.disable_mount(it.service, it.operator, "teams/pay"),
}
CREDENTIALS: dict[str, Callable[[Hand], object]] = {
    "revoke a token": lambda it: systems.revoke_token(it.service, it.operator, it.key_id),
    "rotate a token": lambda it: token_life.rotate_token(
        it.service, it.operator, it.key_id, hours=None, days=None
    ),
    "report a leak": lambda it: leaked_tokens.report_leak(it.service, [it.text]),
    "end one's own": lambda it: token_tree.end(it.service, it.worker, it.key_id),
    "remove the AppRole": lambda it: approles.delete_approle(it.service, it.operator, "worker"),
    "narrow the AppRole": Hand.narrow_approle,
    "destroy the secret id": lambda it: approles.destroy_secret_id(
        it.service, it.operator, "worker", accessor=it.accessor
    ),
    "disable the account": lambda it: systems.disable_account(
        it.service, it.operator, it.worker.principal.id
    ),
}
POLICY: dict[str, Callable[[Hand], object]] = {
    "publish a policy": lambda it: applied(it.service, it.operator, more()),
    "revoke a grant": lambda it: grants.revoke_grant(it.service, it.operator, it.grant_of_worker()),
    "revoke by a review": lambda it: it.review("revoke"),
    "shorten by a review": lambda it: it.review("shorten", 5),
    "break the glass": lambda it: it.break_glass(),
    "end it": lambda it: break_glass.end(it.service, it.operator, it.break_glass()),
    "give one": lambda it: grants.add_grant(
        it.service, it.operator, subject="user:clerk", role="role:hr.head", department="hr"
    ),
    "renew one": Hand.renew,
    "let somebody activate one, and remove that": Hand.make_eligible,
    "activate one, and put it off": Hand.activate,
    "claim one": Hand.claim,
    "keep the last ones": Hand.keep,
}


def _epochs(service: Service) -> Epochs:
    with service.store.read() as connection:
        return read_epochs(connection)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        pytest.param(kind, change, id=f"{kind}: {name}")
        for kind, changes in (("keys", KEYS), ("credentials", CREDENTIALS), ("policy", POLICY))
        for name, change in changes.items()
    ],
)
def test_a_change_raises_its_epoch(
    service: Service, house: House, kind: str, change: Callable[[Hand], object]
) -> None:
    hand = Hand(service, house)
    before = _epochs(service)
    change(hand)
    assert getattr(_epochs(service), kind) > getattr(before, kind)


def test_using_a_key_raises_none(service: Service, house: House) -> None:
    hand = Hand(service, house)
    transit.encrypt(service, hand.worker, "transit", "k", [transit.ToEncrypt(b"x")])
    before = _epochs(service)
    for _ in range(3):
        transit.encrypt(service, hand.worker, "transit", "k", [transit.ToEncrypt(b"x")])
        authentication.authenticate(service, hand.text)
    assert _epochs(service) == before
