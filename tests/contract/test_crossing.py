"""What one side made, the other opens or verifies, once the key was moved by its backup."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from tests.conftest import OpenBao
from tests.contract.case import BOUND, CIPHERS, CONTEXT, INPUT, PLAIN, SIGNERS, options_of
from tests.running_service import Front, furnish, system_token

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

Ask = Callable[[str, str, Any], Any]


@pytest.fixture(scope="module")
def sides(openbao: OpenBao, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ask]]:
    """A real OpenBao and secvault."""
    house = furnish(tmp_path_factory.mktemp("crossing"))
    with house.open() as service:
        roles = ("role:it.admin", "role:it.cryptor", "role:it.key_custodian")
        token = system_token(service, "crossing", "it", *roles)
    bao = httpx2.Client(base_url=openbao.addr, headers={"X-Vault-Token": openbao.token})
    with bao, Front().serving(house) as api:
        api.client.headers["X-Vault-Token"] = token
        yield {"secvault": _asking(api.client), "OpenBao": _asking(bao)}


@pytest.fixture(params=["to OpenBao", "from OpenBao"])
def way(request: pytest.FixtureRequest, sides: dict[str, Ask]) -> tuple[Ask, Ask]:
    """Where the key is made, and where it is moved to."""
    here, there = sides["secvault"], sides["OpenBao"]
    return (here, there) if request.param == "to OpenBao" else (there, here)


@pytest.mark.parametrize("kind", [*CIPHERS, "rsa-2048", "rsa-3072", "rsa-4096"])
def test_a_ciphertext_opens_on_the_other_side(kind: str, way: tuple[Ask, Ask]) -> None:
    more = {} if kind.startswith("rsa") else BOUND
    key = _moved(kind, way)
    for one, other in (way, way[::-1]):
        sealed = one("POST", f"encrypt/{key}", {**PLAIN, **more})["ciphertext"]
        opened = other("POST", f"decrypt/{key}", {"ciphertext": sealed, **more})
        assert opened["plaintext"] == PLAIN["plaintext"]


@pytest.mark.parametrize("kind", CIPHERS)
@pytest.mark.parametrize("convergent", [False, True], ids=["derived", "convergent"])
def test_what_is_under_a_derived_key_opens_on_the_other_side(
    kind: str, convergent: bool, way: tuple[Ask, Ask]
) -> None:
    key = _moved(kind, way, derived=True, convergent_encryption=convergent)
    made = []
    for one, other in (way, way[::-1]):
        made.append(one("POST", f"encrypt/{key}", {**PLAIN, **CONTEXT})["ciphertext"])
        opened = other("POST", f"decrypt/{key}", {"ciphertext": made[-1], **CONTEXT})
        assert opened["plaintext"] == PLAIN["plaintext"]
    assert (made[0] == made[1]) == convergent


@pytest.mark.parametrize("kind", [*SIGNERS, "rsa-3072"])
def test_a_signature_is_good_on_the_other_side(kind: str, way: tuple[Ask, Ask]) -> None:
    key = _moved(kind, way)
    manners = [{}, {"marshaling_algorithm": "jws"}, {"hash_algorithm": "sha2-512"}]
    if kind.startswith("rsa"):
        manners += [{"signature_algorithm": "pkcs1v15"}, {"salt_length": "hash"}]
    for one, other in (way, way[::-1]):
        for manner in manners:
            made = one("POST", f"sign/{key}", {**INPUT, **manner})["signature"]
            check = {"signature": made, **manner}
            assert other("POST", f"verify/{key}", {**INPUT, **check})["valid"] is True
            wrong = {"input": base64.b64encode(b"other").decode(), **check}
            assert other("POST", f"verify/{key}", wrong)["valid"] is False


def test_a_derived_ed25519_signature_is_the_same_on_both_sides(way: tuple[Ask, Ask]) -> None:
    key = _moved("ed25519", way, derived=True)
    first, second = (side("POST", f"sign/{key}", {**INPUT, **CONTEXT}) for side in way)
    assert first == second


@pytest.mark.parametrize("kind", [*CIPHERS, *SIGNERS, "hmac"])
def test_an_hmac_is_the_same_on_both_sides(kind: str, way: tuple[Ask, Ask]) -> None:
    key = _moved(kind, way)
    for algorithm in ("sha2-256", "sha2-512", "sha3-256"):
        body = {**INPUT, "algorithm": algorithm}
        first, second = (side("POST", f"hmac/{key}", body)["hmac"] for side in way)
        assert first == second


def test_a_key_with_trimmed_and_old_versions_moves_whole(way: tuple[Ask, Ask]) -> None:
    here, there = way
    key = f"x-{secrets.token_hex(5)}"
    here("POST", f"keys/{key}", {"exportable": True, "allow_plaintext_backup": True})
    for _ in range(4):
        here("POST", f"keys/{key}/rotate", {})
    old = here("POST", f"encrypt/{key}", {**PLAIN, "key_version": 3})["ciphertext"]
    here("POST", f"keys/{key}/config", {"min_encryption_version": 4, "min_decryption_version": 3})
    here("POST", f"keys/{key}/trim", {"min_available_version": 2})
    _carry(key, here, there)
    opened = there("POST", f"decrypt/{key}", {"ciphertext": old})
    assert opened["plaintext"] == PLAIN["plaintext"]
    figures = ("latest_version", "min_decryption_version", "min_available_version")
    first, second = (side("GET", f"keys/{key}", None) for side in way)
    assert [first[name] for name in figures] == [second[name] for name in figures] == [5, 3, 2]
    there("POST", f"keys/{key}/rotate", {})
    assert there("GET", f"keys/{key}", None)["latest_version"] == 6


def _moved(kind: str, way: tuple[Ask, Ask], **options: Any) -> str:
    key = f"x-{secrets.token_hex(5)}"
    chosen = {**options_of(kind), **options, "exportable": True, "allow_plaintext_backup": True}
    way[0]("POST", f"keys/{key}", chosen)
    _carry(key, *way)
    return key


def _carry(key: str, here: Ask, there: Ask) -> None:
    backup = here("GET", f"backup/{key}", None)["backup"]
    there("POST", f"restore/{key}", {"backup": backup})


def _asking(client: Any) -> Ask:
    def ask(method: str, path: str, body: Any) -> Any:
        answer = client.request(method, f"/v1/transit/{path}", json=body)
        assert answer.is_success, (method, path, answer.text)
        return answer.json()["data"] if answer.content else None

    return ask
