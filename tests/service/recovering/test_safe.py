"""What is kept of the kit in a recovered vault, and what is not good any more."""

from __future__ import annotations

import msgspec

from secvault.backup.repository import KEYS
from secvault.recovery.kit import KitPassword
from secvault.service import Service
from secvault.service.recovering import safe
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
