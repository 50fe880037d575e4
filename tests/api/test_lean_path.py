"""What the lean path answers is what the routes would; what memory holds is never out of date."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from secvault.api.app import Answering
from secvault.keyring.message_count import MOST_MESSAGES
from secvault.service import systems, transit
from secvault.service.authentication import local_operator
from secvault.service.spine import Caller
from secvault.service.transit import warm
from secvault.store.watch import FRESH_SECONDS
from tests.running_service import BODY_SECONDS, Api, Front, House, system_token

PLAIN = base64.b64encode("lương tháng 11".encode()).decode()
ACTIONS = ("encrypt", "decrypt", "rewrap", "hmac")

texts = st.sampled_from(["", PLAIN, "MQ==", "MR==", "MQ", "không", "vault:v1:MQ==", "=", None, 7])
versions = st.sampled_from([0, 1, 2, 9, -1, "1", True, None, 1.5, 2**70])
references = st.sampled_from(["", "dòng 1", None, 3])


def _items(ciphertext: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "plaintext": texts,
            "input": texts,
            "ciphertext": texts | st.just(ciphertext),
            "associated_data": texts,
            "context": texts,
            "key_version": versions,
            "reference": references,
            "unheard_of": st.just(1),
        },
    )


def _bodies(ciphertext: str) -> st.SearchStrategy[Any]:
    good = st.sampled_from(
        [
            {"plaintext": PLAIN, "key_version": 1},
            {"ciphertext": ciphertext, "reference": "a"},
            {"input": PLAIN, "key_version": 1},
            {"batch_input": [{"plaintext": PLAIN, "reference": "đ"}, {"plaintext": ""}]},
            {"batch_input": [{"ciphertext": ciphertext}] * 3},
            {"batch_input": [{"input": PLAIN}], "key_version": 2},
        ]
    )
    items = _items(ciphertext)
    batches = st.builds(
        lambda more, items: {**more, "batch_input": items},
        items,
        st.lists(items | st.none() | st.integers(), max_size=3) | st.none() | st.just({}),
    )
    return good | items | batches | st.sampled_from([None, [], "x", {"batch_input": []}])


@pytest.fixture
def ciphertext(api: Api) -> str:
    """Under version 1 of `payroll`, which has two."""
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    made = api.ok("POST", "/v1/transit/encrypt/payroll", "system", {"plaintext": PLAIN})
    api.ok("POST", "/v1/transit/keys/payroll/rotate", "system")
    return str(made["data"]["ciphertext"])


@pytest.fixture
def routes_only(front: Front, api: Api) -> Api:
    """The same open vault without the lean path."""
    return Api(
        TestClient(Answering(front.routes, BODY_SECONDS), base_url="http://127.0.0.1"), api.house
    )


def _opened(api: Api, ciphertext: str) -> tuple[str, str, str]:
    """Its version, and with which associated data it opens to what."""
    for bound in ("", PLAIN, "MQ=="):
        given = {"ciphertext": ciphertext, "associated_data": bound}
        answer = api("POST", "/v1/transit/decrypt/payroll", "system", given)
        if answer.status_code == 200:
            return ciphertext.rpartition(":")[0], bound, answer.json()["data"]["plaintext"]
    raise AssertionError(f"{ciphertext} does not open")


def _comparable(api: Api, answer: Any) -> Any:
    body = answer.json()
    body.pop("request_id", None)
    data = body.get("data") or {}
    for each in [data, *data.get("batch_results", [])]:
        if each.get("ciphertext"):
            each["ciphertext"] = _opened(api, each["ciphertext"])
    return answer.status_code, body


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), action=st.sampled_from(ACTIONS))
def test_any_body_is_answered_as_the_routes_answer_it(
    api: Api, routes_only: Api, ciphertext: str, data: st.DataObject, action: str
) -> None:
    body = data.draw(_bodies(ciphertext))
    path = f"/v1/transit/{action}/payroll"
    lean = api("POST", path, "system", body)
    full = routes_only("POST", path, "system", body)
    assert _comparable(api, lean) == _comparable(api, full)
    assert set(lean.headers) == set(full.headers)


def test_a_plain_request_never_reaches_the_framework(
    api: Api, front: Front, ciphertext: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = {"encrypt": {"plaintext": PLAIN}, "hmac": {"input": PLAIN}}
    for action in ACTIONS:
        body = bodies.get(action, {"ciphertext": ciphertext})
        api.ok("POST", f"/v1/transit/{action}/payroll", "system", body)

    async def unreachable(*_: Any) -> None:
        raise AssertionError("the framework was asked")

    monkeypatch.setattr(type(front.routes), "__call__", unreachable)
    for action in ACTIONS:
        body = bodies.get(action, {"ciphertext": ciphertext})
        batch = {"batch_input": [{**body, "reference": "1"}] * 3}
        for asked in (body, batch):
            answer = api("POST", f"/v1/transit/{action}/payroll", "system", asked)
            assert answer.status_code == 200


def test_each_lean_answer_has_its_audit_entry(api: Api, ciphertext: str) -> None:
    path = "/v1/transit/encrypt/payroll"
    batch = {"batch_input": [{"plaintext": PLAIN}] * 7}
    answers = [api("POST", path, "system", batch) for _ in range(3)]
    events = api.ok("GET", "/api/v1/audit/events?kind=data.encrypt&limit=100", "auditor")["events"]
    counts = {event["request"]: event["count"] for event in events}
    for answer in answers:
        assert counts[answer.headers["x-request-id"]] == 7


def test_memory_believes_nothing_that_was_taken_away(api: Api, house: House) -> None:
    body = {"plaintext": PLAIN}
    path = "/v1/transit/encrypt/payroll"
    with house.open() as service:
        token = system_token(service, "worker", "it", "role:it.cryptor")
        other = system_token(service, "other", "it", "role:it.cryptor")

    def is_answered(by: str, status: int) -> None:
        for _ in range(2):
            assert api("POST", path, by, body).status_code == status

    api.ok("POST", "/v1/transit/keys/payroll", "system")
    is_answered(token, 200)
    for deleted, status in ((True, 400), (False, 200)):
        # By another process.
        with house.open() as service:
            operator = Caller(local_operator(service))
            transit.set_soft_deleted(service, operator, "transit", "payroll", deleted=deleted)
        time.sleep(FRESH_SECONDS)
        is_answered(token, status)
    api.ok("POST", "/v1/transit/keys/payroll/rotate", token)
    assert api.ok("POST", path, token, body)["data"]["key_version"] == 2

    is_answered(other, 200)
    with house.open() as service:
        operator = Caller(local_operator(service))
        systems.revoke_token(service, operator, other.split("_")[1])
        account = next(a for a in systems.list_accounts(service, operator) if a.name == "worker")
    time.sleep(FRESH_SECONDS)
    is_answered(other, 403)
    with house.open() as service:
        systems.disable_account(service, Caller(local_operator(service)), account.id)
    time.sleep(FRESH_SECONDS)
    is_answered(token, 403)


def test_a_token_that_is_revoked_while_the_body_comes_opens_nothing(api: Api, house: House) -> None:
    path = "/v1/transit/encrypt/payroll"
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    with house.open() as service:
        token = system_token(service, "worker", "it", "role:it.cryptor")
    for _ in range(2):
        api.ok("POST", path, token, {"plaintext": PLAIN})

    def late() -> Iterator[bytes]:
        with house.open() as service:
            operator = Caller(local_operator(service))
            systems.revoke_token(service, operator, token.split("_")[1])
        time.sleep(FRESH_SECONDS)
        yield json.dumps({"plaintext": PLAIN}).encode()

    headers = {"Content-Type": "application/json"}
    assert api("POST", path, token, content=late(), headers=headers).status_code == 403


def test_a_token_ends_in_memory_at_its_own_moment(api: Api, house: House) -> None:
    path = "/v1/transit/encrypt/payroll"
    body = {"plaintext": PLAIN}
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    with house.open() as service:
        token = system_token(service, "worker", "it", "role:it.cryptor")
    api.ok("POST", path, token, body)
    api.ok("POST", path, token, body)
    house.hands.seconds += 24 * 3600 - 1
    api.ok("POST", path, token, body)
    house.hands.seconds += 1
    assert api("POST", path, token, body).status_code == 403


def test_a_token_that_is_used_again_and_again_is_seen_to_be_used(
    api: Api, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "TOKEN_SECONDS", 0.0)
    path = "/v1/transit/encrypt/payroll"
    api.ok("POST", path, "system", {"plaintext": PLAIN})
    house.hands.seconds += 3600
    api.ok("POST", path, "system", {"plaintext": PLAIN})
    with house.open() as service, service.store.read() as connection:
        used = connection.exec_driver_sql("SELECT max(last_used_at) FROM token").scalar_one()
    assert used == int(house.hands.seconds * 1_000_000)


@pytest.mark.parametrize("size", [10, 20_000, 60_000])
def test_a_body_of_any_length_is_answered_alike(api: Api, routes_only: Api, size: int) -> None:
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    body = {"plaintext": base64.b64encode(bytes(size)).decode()}
    for served in (api, routes_only):
        made = served.ok("POST", "/v1/transit/encrypt/payroll", "system", body)
        given = {"ciphertext": made["data"]["ciphertext"]}
        opened = served.ok("POST", "/v1/transit/decrypt/payroll", "system", given)
        assert opened["data"] == {"plaintext": body["plaintext"]}


def test_a_key_that_has_sealed_all_it_may_is_refused_until_it_is_rotated(
    api: Api, house: House
) -> None:
    path = "/v1/transit/encrypt/payroll"
    api.ok("POST", "/v1/transit/keys/payroll", "system")
    with house.open() as service, service.store.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE named_key_version SET messages = {MOST_MESSAGES - 2} WHERE name = 'payroll'"
        )
    made = [api("POST", path, "system", {"plaintext": PLAIN}) for _ in range(4)]
    assert [answer.status_code for answer in made] == [200, 200, 400, 400]
    assert "rotate the key" in made[-1].text
    sealed = made[0].json()["data"]["ciphertext"]
    api.ok("POST", "/v1/transit/decrypt/payroll", "system", {"ciphertext": sealed})
    api.ok("POST", "/v1/transit/keys/payroll/rotate", "system")
    assert api.ok("POST", path, "system", {"plaintext": PLAIN})["data"]["key_version"] == 2
