"""The page that unseals in a browser: it says how far it is, and tells nothing else."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from secvault.api import unseal_page
from secvault.api.answering import Answering
from secvault.crypto import shares as crypto_shares
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, TooManyAttempts
from secvault.keyring.seals import passphrase
from secvault.keyring.seals import shares as seal_shares
from secvault.service import seals
from secvault.service.seals import SealState

OWN = {"Sec-Fetch-Site": "same-origin"}
SHARES = {"first words", "second words"}


@dataclass
class Sealer:
    """Takes two shares, and slows down who guesses. given: so far."""

    kind: str = "shares"
    given: set[str] = field(default_factory=set)
    slow: bool = False
    refusal: str = "is no share <b>of</b> this vault"

    def state(self, *_: Any) -> SealState:
        """As the node says it."""
        done = len(self.given) == 2
        return SealState(self.kind, True, not done, 2, 3, 0 if done else len(self.given))

    def unseal(self, _service: Any, _node: Any, key: Secret | None, **how: Any) -> SealState:
        """As the sealer does it."""
        if self.slow:
            raise TooManyAttempts("wait", retry_after=7)
        if how["reset"]:
            self.given.clear()
        elif key is None or key.text() not in SHARES:
            raise InvalidInput.at("key", self.refusal)
        else:
            self.given.add(key.text())
        return self.state()


@pytest.fixture
def sealer(monkeypatch: pytest.MonkeyPatch) -> Sealer:
    made = Sealer()
    monkeypatch.setattr(seals, "state", made.state)
    monkeypatch.setattr(seals, "unseal", made.unseal)
    return made


@pytest.fixture
def client(sealer: Sealer) -> TestClient:
    app = FastAPI()

    @app.middleware("http")
    async def numbered(request: Request, call_next: Any) -> Any:
        request.state.request_id = "r"
        return await call_next(request)

    unseal_page.router.add_to(app)
    assert sealer
    return TestClient(Answering(app, 60.0), follow_redirects=False)


def give(client: TestClient, key: str, **more: str) -> Any:
    return client.post("/unseal", data={"key": key, **more}, headers=OWN)


def test_two_holders_open_it_one_after_the_other(client: TestClient) -> None:
    page = client.get("/unseal")
    assert "Given so far: 0 of 2." in page.text
    assert "Đã có: 0 trên 2." in page.text
    assert "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    one = give(client, " first words ")
    assert (one.status_code, one.headers["location"]) == (303, "/unseal")
    assert "Begin again" in client.get("/unseal").text
    last = give(client, "second words")
    assert (last.status_code, last.headers["location"]) == (303, "/")
    assert client.get("/unseal").headers["location"] == "/"


def test_what_is_wrong_is_said_and_never_shown_again(client: TestClient) -> None:
    wrong = give(client, "not a share")
    assert wrong.status_code == 422
    assert "not a share" not in wrong.text
    assert "&lt;b&gt;of" in wrong.text
    give(client, "first words")
    assert give(client, "", again="yes").status_code == 303
    assert "Given so far: 0 of 2." in client.get("/unseal").text


@pytest.mark.parametrize("refusal", unseal_page.REFUSALS)
def test_why_a_share_is_not_taken_is_said_in_both_languages(
    client: TestClient, sealer: Sealer, refusal: str
) -> None:
    sealer.refusal = refusal
    english, _, vietnamese = give(client, "not a share").text.partition('<section lang="vi">')
    assert escape(refusal) in english
    assert "key: " not in english
    assert unseal_page.REFUSALS[refusal] in vietnamese
    assert escape(refusal) not in vietnamese


def test_every_refusal_is_one_that_a_seal_says() -> None:
    said = " ".join(
        constant.value
        for file in (crypto_shares, passphrase, seal_shares)
        for constant in ast.walk(ast.parse(Path(file.__file__).read_text("utf-8")))
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    )
    whose = "this vault's present set of shares"
    for refusal in unseal_page.REFUSALS:
        assert all(part in said for part in refusal.partition(whose) if part), refusal


def test_whoever_guesses_waits(client: TestClient, sealer: Sealer) -> None:
    sealer.slow = True
    answer = give(client, "first words")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert "7 giây" in answer.text


def test_what_opens_by_itself_has_no_form(client: TestClient, sealer: Sealer) -> None:
    sealer.kind = "file"
    assert "<form" not in client.get("/unseal").text
    sealer.kind = "passphrase"
    assert 'type="password"' in client.get("/unseal").text


def test_pages_of_others_give_nothing(client: TestClient, sealer: Sealer) -> None:
    other = {"Sec-Fetch-Site": "cross-site"}
    answer = client.post("/unseal", data={"key": "first words"}, headers=other)
    assert answer.status_code >= 400
    assert not sealer.given
