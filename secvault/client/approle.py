"""Logging in with a role id and a secret id (`auth/approle/login` of Vault and OpenBao)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from secvault.client.call import Answer, Request
from secvault.client.errors import Refusal, Unexpected, Unreachable, refusal
from secvault.client.retry import Alone, Attempts, Talk
from secvault.client.secret import Secret

_RENEW_AT = 2 / 3  # of its life
_AGAIN_SECONDS = 5.0


class _Auth(msgspec.Struct):
    client_token: str
    lease_duration: int
    renewable: bool


class _Answer(msgspec.Struct):
    auth: _Auth


@dataclass(frozen=True, slots=True)
class _Held:
    """A token, and when it is to be renewed and ends, by the monotonic clock; never: infinity."""

    token: Secret
    renew_at: float
    ends_at: float
    renewable: bool


@dataclass
class AppRole:
    """Logs in at the first request; renews the token when two thirds of its life are over, and logs
    in again when that is refused or the server no longer knows the token.

    secret_id: is asked anew at each log-in. mount: of the method, below `auth/`. One log-in or
    renewal is under way at a time; meanwhile others use the old token as long as it lives.
    """

    role_id: str
    secret_id: Callable[[], Secret] = field(repr=False)
    mount: str = "approle"
    _held: _Held | None = field(default=None, init=False, repr=False)
    _renewing: bool = field(default=False, init=False, repr=False)

    def token(self, attempts: Attempts) -> Talk[Secret]:
        """See Credential. Raises Refusal when the log-in is refused."""
        held = self._held
        now = attempts.chance.monotonic()
        if held is not None and now < held.renew_at:
            return held.token
        if held is not None and now < held.ends_at and self._renewing:
            return held.token
        yield Alone(self._refresh(attempts))
        if self._held is None:
            raise Unexpected("there is no token after the log-in")
        return self._held.token

    def refused(self, token: Secret, attempts: Attempts) -> Talk[bool]:
        """See Credential. Asks the server whether it knows the token: the policy may say no too."""
        held = self._held
        if held is not None and held.token != token:
            return True
        asked = Request("GET", "/v1/auth/token/lookup-self")
        known = yield from attempts.sent(asked, token)
        if known.status != 403:
            return False
        if self._held is held:
            self._held = None
        return True

    def _refresh(self, attempts: Attempts) -> Talk[None]:
        held = self._held
        now = attempts.chance.monotonic()
        if held is not None and now < held.renew_at:
            return
        self._renewing = True
        try:
            renewed = None
            if held is not None and held.renewable and now < held.ends_at:
                renewed = yield from self._renewed(held, attempts)
            self._held = renewed or (yield from self._logged_in(attempts))
        finally:
            self._renewing = False

    def _renewed(self, held: _Held, attempts: Attempts) -> Talk[_Held | None]:
        """None: it cannot be renewed, or so little that logging in is better."""
        asked = Request("POST", "/v1/auth/token/renew-self", b"{}")
        began = attempts.chance.monotonic()
        try:
            answer = yield from attempts.sent(asked, held.token)
        except Unreachable:
            answer = None
        now = attempts.chance.monotonic()
        if answer is None or answer.status >= 500:
            # It lives yet; the request that it is wanted for may be luckier.
            again = min(now + _AGAIN_SECONDS, held.ends_at)
            return _Held(held.token, again, held.ends_at, held.renewable)
        if answer.status >= 300:
            return None
        renewed = _held(answer, began)
        before = held.ends_at - held.renew_at
        return renewed if renewed.ends_at - renewed.renew_at >= before / 2 else None

    def _logged_in(self, attempts: Attempts) -> Talk[_Held]:
        body = {"role_id": self.role_id, "secret_id": self.secret_id().text()}
        path = f"/v1/auth/{self.mount}/login"
        began = attempts.chance.monotonic()
        asked = Request("POST", path, msgspec.json.encode(body))
        answer = yield from attempts.sent(asked, None)
        if answer.status >= 300:
            raise _refused(answer)
        return _held(answer, began)


def _refused(answer: Answer) -> Refusal:
    error = refusal(answer)
    return type(error)(
        error.status, ("log-in refused", *error.errors), error.request_id, error.retry_after
    )


def _held(answer: Answer, began: float) -> _Held:
    try:
        auth = msgspec.json.decode(answer.body, type=_Answer).auth
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Unexpected("the answer to the log-in has no token") from None
    if auth.lease_duration <= 0:
        return _Held(Secret(auth.client_token), float("inf"), float("inf"), auth.renewable)
    ends = began + auth.lease_duration
    renew = began + auth.lease_duration * _RENEW_AT
    return _Held(Secret(auth.client_token), renew, ends, auth.renewable)
