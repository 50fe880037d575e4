"""The recovery kit as a drill opens it: by the shares that people gave, or by what the vault keeps.

With shares it is as in earnest, and that one share fewer opens nothing is tried first. Without
them, as by a schedule, the vault opens the file that it issued by the secret that it keeps wrapped:
then nothing is known of the holders' shares, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secvault.backup.drills.scenarios.script import Broken, Script
from secvault.clock import timestamp
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, InvalidInput
from secvault.recovery import stored
from secvault.recovery.kit import KitHead, KitSecrets
from secvault.recovery.opening import open_kit, read_kit
from secvault.service.recovery_kits import document_of, open_newest
from secvault.service.service import Service

HOLDERS = "holders of the shares"


@dataclass(frozen=True)
class OpenedKit:
    """A kit, its file, and its secrets."""

    file: bytes
    head: KitHead
    secrets: KitSecrets


def opened_kit(script: Script, service: Service, shares: Sequence[Secret]) -> OpenedKit:
    """The newest kit that was issued, opened. Raises Broken after what it found."""
    with script.step("kit-found", phase="open", damage="kit-missing") as said:
        with service.store.read() as connection:
            newest = stored.newest_kit(connection)
        if newest is None:
            words = "no recovery kit was issued: secvault recovery kit issue"
            said.fault("kit-missing", "it/recovery/kit", words)
        else:
            said.words = f"the kit of {timestamp(newest.issued_at)}"
            file = document_of(newest)
    if newest is None:
        raise Broken
    if not shares:
        return _by_the_vault(script, service, file)
    _require_more(script, file, shares)
    with script.step("kit-opened", phase="open", damage="kit-does-not-open", who=HOLDERS) as said:
        head, secrets = open_kit(file, shares)
        said.words = f"opened by {len(shares)} shares, of which {head.shares.threshold} are needed"
    return OpenedKit(file, head, secrets)


def _by_the_vault(script: Script, service: Service, file: bytes) -> OpenedKit:
    with script.step("kit-opened", phase="open", damage="kit-does-not-open") as said:
        found = open_newest(service)
        if found is None:
            raise Damaged("the vault does not keep the secret of the newest kit's shares")
        head, secrets = found
        said.words = "opened by the secret that the vault keeps, without the holders' shares"
    script.leave_open("whether the holders have their shares: none was given")
    return OpenedKit(file, head, secrets)


def _require_more(script: Script, file: bytes, shares: Sequence[Secret]) -> None:
    """That one share fewer than is needed opens nothing, and tells nothing."""
    with script.step("kit-with-too-few", damage="kit-does-not-open", who=HOLDERS) as said:
        wanted = read_kit(file).head.shares.threshold
        fewer = shares[: wanted - 1]
        if not fewer:
            said.verdict, said.words = "not tested", "one share is enough, as it was set"
            return
        try:
            open_kit(file, fewer)
        except InvalidInput:
            said.words = f"{len(fewer)} of the shares open nothing"
        else:
            words = f"{len(fewer)} shares opened the kit, which needs {wanted}"
            said.fault("kit-opens-with-too-few", "it/recovery/kit", words)
