"""The sealer: a small process that opens the root, holds it, and hands it to those who serve.

It listens on a Unix socket in the data folder, for processes of its own account only. A seal that
needs nobody is opened at the start; for others it waits until their shares or passphrase are given.
When it is told to seal, it answers only after every process that holds keys has dropped them, or
has been ended.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from secvault.clock import Clock
from secvault.config import Settings
from secvault.crypto.aead import Random
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, SecvaultError, TooManyAttempts, Unavailable
from secvault.keyring.root import Root
from secvault.keyring.seals.configured import unattended
from secvault.keyring.seals.transit import TransitSeal
from secvault.service.sealing import messages, place
from secvault.service.sealing.messages import Broken, Channel, Ended, Message
from secvault.service.sealing.opener import Opener
from secvault.service.sealing.watcher import Watcher
from secvault.store import Store

HEED_SECONDS = 5.0
"""How long a process has to drop its keys before it is ended."""
OPENING_SECONDS = 15.0
"""How long an unsealing waits for the processes to open, before it is answered all the same."""
_DYING_SECONDS = 5.0
_FIRST_LINE_SECONDS = 10.0
_MOST_CONNECTIONS = 512

SEALED_BY_HAND = "sealed-by-hand"
"""A file in the data folder: a sealer that is started again must not open what was sealed."""
UNRECORDED = "sealed-without-record"
"""A file beside it, until the audit log knows of a sealing that it was not told of."""

Log = Callable[..., object]


class Sealer:
    """Serves the socket in threads until `close`."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        log: Log,
        random: Random = os.urandom,
    ) -> None:
        self._settings = settings
        self._opener = Opener(settings, store, clock, random)
        self._clock = clock
        self._log = log
        self._folder = settings.data_folder
        # One change of the state at a time; it may take as long as a server or an argon2 takes.
        self._changing = threading.Lock()
        # Who watches, and the state that they were told; never held while waiting for others.
        self._telling = threading.Lock()
        self._watchers: list[Watcher] = []
        self._told: Root | None = None
        # Beside the file, which a full disk may not take.
        self._unrecorded = False
        self._number = 0
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._listening: socket.socket | None = None

    def start(self) -> None:
        """Listen, and serve in the background. Raises Conflict, Unavailable."""
        self._listening = place.listen(self._folder)
        threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        """Listen no more, and forget the root. Who watches seals itself."""
        if self._listening is not None:
            # Closing alone would leave it to the thread that waits for the next connection.
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
        with self._telling:
            for watcher in self._watchers:
                watcher.close()
            self._watchers.clear()
        self._opener.close()

    @property
    def sealed(self) -> bool:
        """Whether the root is not here."""
        return self._opener.root is None

    def open_unattended(self) -> bool:
        """Open by a seal that needs nobody, unless somebody sealed the vault; whether it is open.

        Raises Sealed, Damaged, ConfigurationError, Unavailable.
        """
        with self._changing:
            if self.sealed and not self._mark.exists():
                self._tell_opened(self._opener.open_unattended())
            return not self.sealed

    def renew_credentials(self) -> int:
        """Renew the token of the seal `vault`; seconds until it ends, 0: never. Raises Sealed."""
        if self.sealed or self._opener.status().kind != "vault":
            return 0
        seal = unattended(self._settings, "vault")
        return seal.renew() if isinstance(seal, TransitSeal) else 0

    @property
    def _mark(self) -> Path:
        return self._folder / SEALED_BY_HAND

    @property
    def _owed(self) -> Path:
        return self._folder / UNRECORDED

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                # Closed: see `close`.
                return
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        channel = Channel(connection)
        try:
            pid, user = place.peer(connection)
            if user != os.geteuid():
                self._log("sealer.stranger", user=user, process=pid)
                return
            asked: object = channel.receive(messages.Asked, _FIRST_LINE_SECONDS)
            if isinstance(asked, messages.Watch):
                self._watch(channel, pid, asked.program)
            elif isinstance(asked, Message):
                channel.send(self._answer(asked))
        except Ended:
            # The usual end of one that watched, or that only looked whether we are here.
            return
        except Broken as broken:
            self._log("sealer.connection", detail=broken.detail)
        finally:
            channel.close()
            self._slots.release()

    def _answer(self, asked: Message) -> Message:
        try:
            return self._do(asked)
        except TooManyAttempts as error:
            return messages.Failed(error.code, error.detail, retry_after=error.retry_after)
        except SecvaultError as error:
            field = error.fields[0].field if error.fields else ""
            return messages.Failed(error.code, error.detail, field)

    def _do(self, asked: Message) -> Message:
        match asked:
            case messages.AskStatus():
                return self._status()
            case messages.AskUnseal():
                return self._unseal(asked)
            case messages.AskRoot():
                return _opened(self._refresh())
            case messages.AskWrap():
                with self._changing:
                    made = self._opener.wrap(Secret(asked.key), asked.generation)
                return messages.WrappedRoot(made.kind, made.parameters, made.root)
        self._heed(asked)
        return messages.Done()

    def _heed(self, told: Message) -> None:
        match told:
            case messages.AskSeal():
                self._seal(recorded=told.recorded)
            case messages.TellRecorded():
                self._owed.unlink(missing_ok=True)
                self._unrecorded = False
            case messages.TellResealed():
                key = None if told.key is None else Secret(told.key)
                with self._changing:
                    self._opener.resealed(told.kind, told.parameters, key)
            case _:
                raise InvalidInput.at("is", "this is not asked in a connection of its own")

    def _unseal(self, asked: messages.AskUnseal) -> messages.Status:
        # Over the network nobody waits in line: each waiting one could cost an argon2.
        if not self._changing.acquire(blocking=not asked.remote):
            raise TooManyAttempts("another key is being tried; try again in 1 s", retry_after=1)
        try:
            if self.sealed:
                root = self._given(asked)
                if root is not None:
                    self._mark.unlink(missing_ok=True)
                    self._log("sealer.unsealed", seal=self._opener.status().kind)
                    self._tell_opened(root)
                    self._wait_until_open()
            return self._status()
        finally:
            self._changing.release()

    def _status(self) -> messages.Status:
        unrecorded = self._unrecorded or self._owed.exists()
        return msgspec.structs.replace(self._opener.status(), unrecorded=unrecorded)

    def _given(self, asked: messages.AskUnseal) -> Root | None:
        if asked.reset:
            self._opener.forget_shares()
            return None
        if asked.key:
            return self._opener.give(Secret.of(asked.key), remote=asked.remote)
        if asked.remote:
            raise InvalidInput.at("key", "must be given, or reset set to true")
        return self._opener.open_unattended()

    def _refresh(self) -> Root:
        with self._changing:
            before = self._opener.root
            root = self._opener.refresh()
            if before is None or root.generation != before.generation:
                self._tell_opened(root)
        return root

    def _seal(self, *, recorded: bool) -> None:
        with self._changing:
            # First on disk: a sealer that is killed now and started again stays sealed.
            self._write(self._mark)
            if not recorded:
                self._unrecorded = True
                self._write(self._owed)
            self._opener.close()
            with self._telling:
                self._number += 1
                self._told = None
                closed, watchers = messages.Closed(self._number), tuple(self._watchers)
                for watcher in watchers:
                    watcher.tell(closed)
            self._log("sealer.sealing", holders=len(watchers), recorded=recorded)
            deadline = self._clock.monotonic() + HEED_SECONDS
            for watcher in watchers:
                if watcher.heeds(closed.number, deadline - self._clock.monotonic()):
                    continue
                self._log("sealer.killing", program=watcher.program)
                if not watcher.kill(_DYING_SECONDS):
                    raise Unavailable(
                        f"a {watcher.program} process still holds keys and does not end; end the "
                        "service"
                    )
            self._log("sealer.sealed")

    def _write(self, mark: Path) -> None:
        try:
            handle = os.open(mark, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            # Sealing goes on: it matters more than what a sealer that is killed would do.
            self._log("sealer.mark_failed", file=str(mark), error=error.strerror)

    def _tell_opened(self, root: Root) -> None:
        with self._telling:
            self._number += 1
            self._told = root
            for watcher in self._watchers:
                watcher.tell(_opened(root, self._number))

    def _wait_until_open(self) -> None:
        deadline = self._clock.monotonic() + OPENING_SECONDS
        with self._telling:
            number, watchers = self._number, tuple(self._watchers)
        for watcher in watchers:
            if not watcher.heeds(number, deadline - self._clock.monotonic()):
                self._log("sealer.slow_to_open", program=watcher.program)

    def _watch(self, channel: Channel, pid: int, program: str) -> None:
        try:
            watcher = Watcher(channel, pid, program)
        except ProcessLookupError:
            return
        # The slot in the list and the first news are one step: nobody misses a sealing in between.
        with self._telling:
            self._watchers.append(watcher)
            if self._told is None:
                watcher.tell(messages.Closed(self._number))
            else:
                watcher.tell(_opened(self._told, self._number))
        try:
            while True:
                came: object = channel.receive(messages.Done)
                if isinstance(came, messages.Done):
                    watcher.heed(came.number)
        finally:
            with self._telling:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)
            watcher.close()


def _opened(root: Root, number: int = 0) -> messages.Opened:
    return messages.Opened(root.vault_id, root.key.expose(), root.generation, number)
