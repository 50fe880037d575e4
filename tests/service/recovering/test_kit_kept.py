"""What is kept of the kit in a recovered vault, and what is not good any more."""

from __future__ import annotations

import msgspec

from secvault.backup.repository import KEYS
from secvault.recovery.kit import KitPassword
from secvault.recovery.opening import read_kit
from secvault.service import Service, authentication, recovery_kits
from secvault.service.recovering import safe
from secvault.service.recovery_kit_status import status
from secvault.service.spine import Caller
from tests.recovery.a_kit import SECRETS, made_kit, repository


def test_the_password_of_a_repository_that_the_copy_does_not_know_yet_is_kept(
    service: Service,
) -> None:
    later = repository("later", "s3:https://s3.example.com/later")
    head = made_kit(repositories=(later,)).head
    given = tuple(KitPassword(name, f"opens {name}") for name in ("later", f"later{KEYS}"))
    secrets = msgspec.structs.replace(SECRETS, passwords=given)
    assert safe.adopt_passwords(service, head, secrets, ()) == ("later", f"later{KEYS}")
    for one in given:
        kept = service.backups.passwords.kept(one.repository)
        assert kept is not None
        assert kept.current.text() == one.password
    # Known by now, they stay as they are.
    assert safe.adopt_passwords(service, head, secrets, ()) == ()


def test_no_kit_is_issued_by_itself_for_other_shares_than_the_holders_have(
    service: Service,
) -> None:
    operator = Caller(authentication.local_operator(service))
    of_then = read_kit(recovery_kits.issue_kit(service, operator).kit).head
    assert not safe.forget_older_shares(service, of_then)
    assert status(service).state != "missing"
    assert safe.forget_older_shares(service, made_kit().head)
    assert status(service).state == "missing"
    assert not safe.forget_older_shares(service, made_kit().head)
