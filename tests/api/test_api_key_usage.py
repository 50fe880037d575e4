"""Who uses which version of a key is counted on both paths, and shown to those who may know."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from secvault.service import Service
from secvault.store import tables
from tests.running_service import Api, Front, House

PLAIN = {"plaintext": base64.b64encode(b"31.500.000").decode()}
USAGE = "/api/v1/keys/transit/k/usage"
DAY = 86_400


class Inside:
    """The service behind the application, to write down what it has counted."""

    service: Service

    def keep(self, service: Service) -> Service:
        self.service = service
        return service


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def api(front: Front, house: House, inside: Inside) -> Iterator[Api]:
    """The application over this test's own vault."""
    with front.serving(house, inside.keep) as served:
        yield served


def _uses(api: Api, inside: Inside, path: str = USAGE) -> dict[tuple[str, int], tuple[int, int]]:
    inside.service.usage.flush()
    uses = api.ok("GET", path, "auditor")["uses"]
    return {(one["operation"], one["version"]): (one["operations"], one["items"]) for one in uses}


def _transit(api: Api, path: str, body: Any, *, lean: bool) -> Any:
    # A question in the address is not for the lean path.
    return api.ok("POST", f"/v1/transit/{path}{'' if lean else '?x=1'}", "system", body)["data"]


@pytest.mark.parametrize("lean", [True, False], ids=["lean path", "routes"])
def test_operations_and_items_are_counted_by_version(api: Api, inside: Inside, lean: bool) -> None:
    api.ok("POST", "/v1/transit/keys/k", "system")
    old = _transit(api, "encrypt/k", PLAIN, lean=lean)
    api.ok("POST", "/v1/transit/keys/k/rotate", "system")
    for _ in range(2):
        _transit(api, "encrypt/k", {"batch_input": [PLAIN] * 3}, lean=lean)
    new = _transit(api, "encrypt/k", PLAIN, lean=lean)
    texts = [{"ciphertext": each["ciphertext"]} for each in (old, new, new)]
    _transit(api, "decrypt/k", {"batch_input": texts}, lean=lean)
    _transit(api, "rewrap/k", texts[0], lean=lean)
    _transit(api, "hmac/k", {"input": PLAIN["plaintext"]}, lean=lean)
    _transit(api, "hmac/k", {"input": PLAIN["plaintext"], "key_version": 1}, lean=lean)
    assert _uses(api, inside) == {
        ("encrypt", 1): (1, 1),
        ("encrypt", 2): (3, 7),
        ("decrypt", 1): (1, 1),
        ("decrypt", 2): (1, 2),
        ("rewrap", 1): (1, 1),
        ("hmac", 1): (1, 1),
        ("hmac", 2): (1, 1),
    }
    assert _uses(api, inside, f"{USAGE}?version=1").keys() == {
        ("encrypt", 1),
        ("decrypt", 1),
        ("rewrap", 1),
        ("hmac", 1),
    }


def test_signatures_and_data_keys_are_counted_and_what_failed_is_not(
    api: Api, inside: Inside
) -> None:
    api.ok("POST", "/v1/transit/keys/s", "system", {"type": "ed25519"})
    api.ok("POST", "/v1/transit/keys/k", "system")
    given = {"input": PLAIN["plaintext"]}
    signed = _transit(api, "sign/s", given, lean=False)
    _transit(api, "verify/s", {**given, "signature": signed["signature"]}, lean=False)
    code = _transit(api, "hmac/s", given, lean=False)["hmac"]
    _transit(api, "verify/s", {**given, "hmac": code}, lean=False)
    _transit(api, "datakey/plaintext/k", {}, lean=False)
    assert api("POST", "/v1/transit/decrypt/k", "system", {"ciphertext": "no"}).status_code == 400
    assert _uses(api, inside, "/api/v1/keys/transit/s/usage") == {
        ("sign", 1): (1, 1),
        ("verify", 1): (2, 2),
        ("hmac", 1): (1, 1),
    }
    assert _uses(api, inside) == {("datakey", 1): (1, 1)}


def test_a_key_that_nobody_uses_any_more_is_found(api: Api, inside: Inside, house: House) -> None:
    for name in ("dead", "alive", "never"):
        api.ok("POST", f"/v1/transit/keys/{name}", "system")
    for name in ("dead", "alive"):
        _transit(api, f"encrypt/{name}", PLAIN, lean=True)
    inside.service.usage.flush()
    # No system's token lives so long: the log of time is turned back instead.
    with inside.service.store.write() as connection:
        ago = inside.service.clock.micros() - 90 * DAY * 1_000_000
        connection.execute(update(tables.key_usage).values(last_at=ago))
        connection.execute(update(tables.named_key).values(created_at=ago))
    _transit(api, "encrypt/alive", PLAIN, lean=True)
    inside.service.usage.flush()

    def unused(days: int) -> list[str]:
        found = api.ok("GET", f"/api/v1/keys/usage?unused_days={days}", "auditor")["keys"]
        return [one["name"] for one in found]

    assert unused(89) == ["dead", "never"]
    assert unused(90) == []
    listed = api.ok("GET", "/api/v1/keys/usage?mount=transit", "auditor")["keys"]
    shown = {one["name"]: (one["operations"], one["last_at"] is None) for one in listed}
    assert shown == {"alive": (2, False), "dead": (1, False), "never": (0, True)}


def test_who_may_not_read_keys_is_not_told_who_uses_them(api: Api) -> None:
    api.ok("POST", "/v1/transit/keys/k", "system")
    for path in (USAGE, "/api/v1/keys/usage", "/api/v1/keys/usage?mount=transit"):
        assert api("GET", path, "head").status_code == 403
        assert api("GET", path).status_code == 401
    assert api("GET", "/api/v1/keys/transit/none/usage", "auditor").status_code == 404
    assert api("GET", "/api/v1/keys/usage?mount=none", "auditor").status_code == 404
    assert api("GET", "/api/v1/keys/internal/root/usage", "auditor").status_code == 404
    assert api("GET", "/api/v1/keys/usage?unused_days=-1", "auditor").status_code == 422


def test_a_key_near_its_limit_says_so_where_it_is_read(api: Api, inside: Inside) -> None:
    api.ok("POST", "/v1/transit/keys/k", "system")
    whole = api.ok("GET", "/v1/transit/keys/k", "system")
    assert whole["warnings"] is None
    assert "near_limit" not in whole["data"]
    sealed = inside.service.settings.keys.warn_messages
    with inside.service.store.write() as connection:
        connection.execute(update(tables.named_key_version).values(messages=sealed))
    whole = api.ok("GET", "/v1/transit/keys/k", "system")
    assert whole["data"]["near_limit"] == {"version": 1, "messages": sealed}
    assert str(sealed) in whole["warnings"][0]
    assert api.ok("GET", USAGE, "auditor")["near_limit"] is True
