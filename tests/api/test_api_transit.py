"""The encryption API answers as the transit engine does, in what works and in what does not."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.running_service import Api, House, system_token

PLAIN = base64.b64encode("lương tháng 11".encode()).decode()
KEYS = "/v1/transit/keys"


@pytest.fixture
def sealed(api: Api) -> str:
    """A ciphertext under version 1 of the key `payroll`."""
    api.ok("POST", f"{KEYS}/payroll", "system")
    answer = api.ok("POST", "/v1/transit/encrypt/payroll", "system", {"plaintext": PLAIN})
    return str(answer["data"]["ciphertext"])


@pytest.fixture
def custodian(house: House) -> Iterator[str]:
    """A system that may move keys in and out."""
    with house.open() as service:
        yield system_token(service, "custodian", "it", "role:it.key_custodian", "role:it.cryptor")


def _refusal(api: Api, path: str, body: Any = None) -> str:
    answer = api("POST", f"/v1/transit/{path}", "system", body)
    assert answer.status_code == 400, answer.text
    (reason,) = answer.json()["errors"]
    return str(reason)


def test_a_key_is_made_once_and_making_it_again_changes_nothing(api: Api) -> None:
    first = api.ok("POST", f"{KEYS}/payroll", "system")
    again = api.ok("POST", f"{KEYS}/payroll", "system", {"exportable": True})
    assert again["data"] == first["data"]
    assert again["data"]["exportable"] is False
    assert again["request_id"] != first["request_id"]
    assert set(first) == {
        "request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings",
        "auth",
    }  # fmt: skip


def test_keys_are_listed_by_parameter_and_by_the_method_list(api: Api) -> None:
    assert api("GET", f"{KEYS}?list=true", "system").status_code == 404
    for name in ("b", "a", "c"):
        api.ok("POST", f"{KEYS}/{name}", "system")
    for method, path in (("GET", f"{KEYS}?list=true"), ("LIST", KEYS)):
        assert api.ok(method, path, "system")["data"] == {"keys": ["a", "b", "c"]}
    assert api("GET", KEYS, "system").status_code == 404


def test_rotation_adds_a_version_and_rewrap_moves_to_it(api: Api, sealed: str) -> None:
    assert sealed.startswith("vault:v1:")
    rotated = api.ok("POST", f"{KEYS}/payroll/rotate", "system")["data"]
    assert rotated["latest_version"] == 2
    assert set(rotated["keys"]) == {"1", "2"}
    moved = api.ok("POST", "/v1/transit/rewrap/payroll", "system", {"ciphertext": sealed})["data"]
    assert moved["key_version"] == 2
    for ciphertext in (sealed, moved["ciphertext"]):
        opened = api.ok("POST", "/v1/transit/decrypt/payroll", "system", {"ciphertext": ciphertext})
        assert opened["data"] == {"plaintext": PLAIN}


def test_encrypting_with_a_missing_key_makes_it_only_for_whoever_may(
    api: Api, house: House
) -> None:
    body = {"plaintext": PLAIN}
    assert api("POST", "/v1/transit/encrypt/fresh", "system", body).status_code == 200
    assert api.ok("GET", f"{KEYS}/fresh", "system")["data"]["latest_version"] == 1
    with house.open() as service:
        token = system_token(service, "only-encrypts", "it", "role:it.encryptor")
    answer = api("POST", "/v1/transit/encrypt/other", token, body)
    assert (answer.status_code, answer.json()) == (400, {"errors": ["encryption key not found"]})
    assert api("POST", "/v1/transit/encrypt/fresh", token, body).status_code == 200
    assert api("POST", "/v1/transit/decrypt/fresh", token, {"ciphertext": "x"}).status_code == 403


def test_what_is_missing_is_said_in_the_engines_words(api: Api, sealed: str) -> None:
    assert _refusal(api, "keys/none/rotate") == "key not found"
    assert _refusal(api, "decrypt/none", {"ciphertext": sealed}) == "encryption key not found"
    assert _refusal(api, "rewrap/none", {"ciphertext": sealed}) == "encryption key not found"
    assert _refusal(api, "encrypt/payroll", {}) == "missing plaintext to encrypt"
    assert _refusal(api, "encrypt/payroll") == "missing plaintext to encrypt"
    assert _refusal(api, "decrypt/payroll", {}) == "missing ciphertext to decrypt"
    for path in ("encrypt/payroll", "decrypt/payroll", "rewrap/payroll"):
        assert _refusal(api, path, {"batch_input": []}) == "missing batch input to process"
    assert api("GET", f"{KEYS}/none", "system").status_code == 404
    assert api("POST", "/v1/nowhere/keys/none/rotate", "system").status_code == 404


def test_a_batch_answers_each_item_in_its_place(api: Api, sealed: str) -> None:
    items = [
        {"plaintext": PLAIN, "reference": "first"},
        {"plaintext": "not base64!", "reference": "second"},
        {"reference": "third"},
        {"plaintext": PLAIN, "key_version": 9},
        {"plaintext": ""},
    ]
    answer = api("POST", "/v1/transit/encrypt/payroll", "system", {"batch_input": items})
    assert answer.status_code == 400
    results = answer.json()["data"]["batch_results"]
    assert [result["reference"] for result in results] == ["first", "second", "third", "", ""]
    assert ["error" in result for result in results] == [False, True, True, True, False]
    assert "ciphertext" not in results[1]
    good = {"batch_input": [{"ciphertext": results[n]["ciphertext"]} for n in (0, 4)]}
    opened = api.ok("POST", "/v1/transit/decrypt/payroll", "system", good)
    assert [one["plaintext"] for one in opened["data"]["batch_results"]] == [PLAIN, ""]


def test_a_batch_has_a_limit_and_says_it(api: Api) -> None:
    for count, status in ((10_000, 400), (10_001, 400)):
        body: dict[str, Any] = {"batch_input": [{}] * count}
        answer = api("POST", "/v1/transit/encrypt/payroll", "system", body)
        assert answer.status_code == status
        assert ("data" in answer.json()) == (count == 10_000)
    assert answer.json() == {"errors": ["a batch holds 10000 items at most; send several"]}


def _flip(place: int) -> Callable[[str], str]:
    def flipped(ciphertext: str) -> str:
        head, _, body = ciphertext.rpartition(":")
        raw = bytearray(base64.b64decode(body))
        raw[place] ^= 1
        return f"{head}:{base64.b64encode(raw).decode()}"

    return flipped


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_flip(0), "cipher: message authentication failed"),
        (_flip(15), "cipher: message authentication failed"),
        (_flip(-1), "cipher: message authentication failed"),
        (lambda it: it.replace("vault:v1:", "vault:v2:"), "version is too new"),
        (lambda it: it.replace("vault:v1:", "vault:v0:"), "invalid ciphertext"),
        (lambda it: it.removeprefix("vault:"), "invalid ciphertext: no prefix"),
        (lambda it: it[:20], "invalid ciphertext"),
        (lambda it: it + "A", "invalid ciphertext"),
        (lambda it: f"vault:v{'9' * 10_000}:{it.rpartition(':')[2]}", "invalid ciphertext"),
        (lambda it: "", "missing ciphertext"),
    ],
)
def test_a_changed_ciphertext_does_not_open(
    api: Api, sealed: str, damage: Callable[[str], str], reason: str
) -> None:
    for path in ("decrypt/payroll", "rewrap/payroll"):
        assert reason in _refusal(api, path, {"ciphertext": damage(sealed)})


def test_associated_data_must_be_the_same(api: Api) -> None:
    bound = base64.b64encode(b"invoice 7").decode()
    body = {"plaintext": PLAIN, "associated_data": bound}
    done = api.ok("POST", "/v1/transit/encrypt/payroll", "system", body)["data"]["ciphertext"]
    same = {"ciphertext": done, "associated_data": bound}
    assert api.ok("POST", "/v1/transit/decrypt/payroll", "system", same)["data"]
    for other in ({}, {"associated_data": PLAIN}):
        reason = _refusal(api, "decrypt/payroll", {"ciphertext": done, **other})
        assert reason.startswith("cipher: message authentication failed")


def test_a_ciphertext_of_one_key_does_not_open_under_another(api: Api, sealed: str) -> None:
    api.ok("POST", f"{KEYS}/other", "system")
    reason = _refusal(api, "decrypt/other", {"ciphertext": sealed})
    assert reason.startswith("cipher: message authentication failed")


def test_a_damaged_key_is_our_failure_and_nobodys_data(api: Api, house: House, sealed: str) -> None:
    engine = create_engine(f"sqlite:///{house.folder / 'vault' / 'secvault.db'}")
    with closing(engine.raw_connection()) as database:
        database.execute(
            "UPDATE named_key_version SET wrapped = zeroblob(length(wrapped))"
            " WHERE mount = 'transit'"
        )
        database.commit()
    answer = api("POST", "/v1/transit/decrypt/payroll", "system", {"ciphertext": sealed})
    assert answer.status_code == 500
    assert answer.json() == {"errors": ["version 1 of the key transit/payroll is damaged"]}
    batch = {"batch_input": [{"ciphertext": sealed}]}
    assert api("POST", "/v1/transit/decrypt/payroll", "system", batch).status_code == 500


def test_a_key_that_is_not_exportable_stays_inside(api: Api, custodian: str) -> None:
    api.ok("POST", f"{KEYS}/inside", "system")
    answer = api("GET", "/v1/transit/export/encryption-key/inside", custodian)
    assert answer.status_code == 400
    assert answer.json() == {"errors": ["private key material is not exportable"]}


def test_an_exportable_key_is_exported_by_version(api: Api, custodian: str) -> None:
    api.ok("POST", f"{KEYS}/outside", "system", {"exportable": True})
    api.ok("POST", f"{KEYS}/outside/rotate", "system")
    place = "/v1/transit/export/encryption-key/outside"
    every = api.ok("GET", place, custodian)["data"]
    assert set(every["keys"]) == {"1", "2"}
    assert all(len(base64.b64decode(key)) == 32 for key in every["keys"].values())
    latest = api.ok("GET", f"{place}/latest", custodian)["data"]["keys"]
    assert latest == {"2": every["keys"]["2"]}
    assert api("GET", f"{place}/3", custodian).status_code == 400
    assert api("GET", "/v1/transit/export/signing-key/outside", custodian).status_code == 400
    assert api("GET", place, "system").status_code == 403


def test_a_version_below_the_minimum_for_decryption_is_not_exported(
    api: Api, house: House, custodian: str
) -> None:
    with house.open() as service:
        admin = system_token(service, "key-admin", "it", "role:it.admin")
    api.ok("POST", f"{KEYS}/outside", "system", {"exportable": True})
    api.ok("POST", f"{KEYS}/outside/rotate", "system")
    api.ok("POST", f"{KEYS}/outside/config", admin, {"min_decryption_version": 2})
    place = "/v1/transit/export/encryption-key/outside"
    assert set(api.ok("GET", place, custodian)["data"]["keys"]) == {"2"}
    assert api("GET", f"{place}/1", custodian).status_code == 400


def test_a_key_that_is_not_wrapped_for_this_vault_is_not_imported(api: Api, custodian: str) -> None:
    for ciphertext in ("", PLAIN, "no base64", base64.b64encode(bytes(2_000)).decode()):
        body = {"ciphertext": ciphertext, "type": "aes256-gcm96"}
        answer = api("POST", f"{KEYS}/moved/import", custodian, body)
        assert answer.status_code == 400, answer.text
    assert api("GET", f"{KEYS}/moved", custodian).status_code == 404


def test_what_is_not_supported_is_refused_and_not_ignored(api: Api) -> None:
    for options in (
        {"convergent_encryption": True},
        {"auto_rotate_period": "5m"},
        {"auto_rotate_period": "now and then"},
        {"key_size": 64},
        {"type": "rsa-2048", "derived": True},
        {"type": "rsa-9000"},
    ):
        _refusal(api, "keys/odd", options)
    assert api("GET", f"{KEYS}/odd", "system").status_code == 404


def test_our_own_keys_are_not_reached_by_this_way(api: Api) -> None:
    for mount in ("internal", "records"):
        assert api("GET", f"/v1/{mount}/keys/payroll", "system").status_code == 404
        assert api("GET", f"/v1/{mount}/keys?list=true", "admin").status_code == 404
        assert api("POST", f"/v1/{mount}/keys/mine", "admin").status_code == 404


def test_an_undone_request_leaves_no_key(api: Api, house: House, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{house.folder / 'vault' / 'secvault.db'}")
    _refusal(api, "keys/-", None)
    _refusal(api, "keys/..%2e", None)
    api("POST", "/v1/transit/keys/none", "clerk")
    with engine.connect() as connection:
        found = connection.execute(text("SELECT name FROM named_key WHERE mount = 'transit'"))
        assert found.all() == []


def test_vault_clients_ask_for_health_and_seal_before_they_sign_in(api: Api) -> None:
    health = api.ok("GET", "/v1/sys/health")
    assert health["initialized"] is True
    assert health["sealed"] is False
    assert api("HEAD", "/v1/sys/health").status_code == 200
    for status in (204, 205, 304):
        bodiless = api("GET", f"/v1/sys/health?activecode={status}")
        assert (bodiless.status_code, bodiless.content) == (status, b"")
    assert api.ok("GET", "/v1/sys/seal-status")["sealed"] is False
