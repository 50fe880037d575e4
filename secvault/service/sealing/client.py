"""Asking the sealer, one question to a connection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from secvault import errors
from secvault.crypto.secret import Secret
from secvault.errors import FieldError, SecvaultError, TooManyAttempts
from secvault.keyring.root import Root
from secvault.keyring.seals.seal import Wrapped
from secvault.service.sealing import messages, place
from secvault.service.sealing.messages import Broken, Channel, Message

T = TypeVar("T", bound=Message)

_SECONDS = 5.0
# An unsealing asks a server or an HSM, and then waits for the workers; sealing waits for them too.
LONG_SECONDS = 60.0

_ERRORS: dict[str, type[SecvaultError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SecvaultError)
}


@dataclass(frozen=True)
class SealerClient:
    """The sealer of a data folder."""

    folder: Path

    @property
    def running(self) -> bool:
        """Whether there is one. Raises Broken when that cannot be said."""
        connection = place.connect(self.folder, _SECONDS)
        if connection is None:
            return False
        connection.close()
        return True

    def status(self) -> messages.Status:
        """How the vault is. Raises Broken."""
        return self._ask(messages.AskStatus(), messages.Status, _SECONDS)

    def unseal(self, key: Secret | None, *, reset: bool = False, remote: bool) -> messages.Status:
        """Give a share or the passphrase; how the vault is then.

        key: None lets a seal that needs nobody open by itself, which only this machine may ask.
        Raises InvalidInput, TooManyAttempts, Sealed, Broken.
        """
        text = None if key is None else _text(key)
        asked = messages.AskUnseal(text, reset, remote)
        return self._ask(asked, messages.Status, LONG_SECONDS)

    def seal(self, *, recorded: bool = True) -> None:
        """Seal the vault: when this returns, nobody here holds a key. Raises Unavailable.

        recorded: whether the audit log has it already; else the status says so until `recorded`.
        """
        self._ask(messages.AskSeal(recorded), messages.Done, LONG_SECONDS)

    def recorded(self) -> None:
        """Say that the audit log has what was sealed without it. Raises Broken."""
        self._ask(messages.TellRecorded(), messages.Done, _SECONDS)

    def root(self) -> Root:
        """The store's present root. Raises Sealed, Damaged, Broken."""
        return root_in(self._ask(messages.AskRoot(), messages.Opened, LONG_SECONDS))

    def wrap(self, root: Root) -> Wrapped:
        """A new root under the present seal. Raises Sealed, Damaged, Broken."""
        asked = messages.AskWrap(root.key.expose(), root.generation)
        made = self._ask(asked, messages.WrappedRoot, LONG_SECONDS)
        return Wrapped(made.kind, made.parameters, made.root)

    def resealed(self, kind: str, parameters: str, key: Secret | None) -> None:
        """Say that the seal was changed. key: of a seal that people open. Raises Broken."""
        told = messages.TellResealed(kind, parameters, None if key is None else key.expose())
        self._ask(told, messages.Done, LONG_SECONDS)

    def _ask(self, message: Message, answer: type[T], seconds: float) -> T:
        connection = place.connect(self.folder, _SECONDS)
        if connection is None:
            raise Broken("no sealer runs over this data folder: start `secvault serve`")
        channel = Channel(connection)
        try:
            channel.send(message)
            told: object = channel.receive(messages.Told, seconds)
        finally:
            channel.close()
        if isinstance(told, answer):
            return told
        if isinstance(told, messages.Failed):
            raise _error(told)
        raise Broken(f"the sealer did not answer in {seconds:.0f} s; see its log")


def root_in(told: messages.Opened) -> Root:
    """The root in a message."""
    return Root(told.vault_id, Secret(told.key), told.generation)


def _text(key: Secret) -> str:
    try:
        return key.text()
    except UnicodeDecodeError:
        raise errors.InvalidInput.at("key", "must be text in UTF-8") from None


def _error(told: messages.Failed) -> SecvaultError:
    if told.code == TooManyAttempts.code:
        return TooManyAttempts(told.detail, retry_after=told.retry_after)
    kind = _ERRORS.get(told.code, errors.Unavailable)
    detail = told.detail
    fields = (FieldError(told.field, detail.removeprefix(f"{told.field}: ")),) if told.field else ()
    return kind(detail, fields=fields)
