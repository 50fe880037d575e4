"""The running service against its own description: no 5xx, nothing undocumented, right shapes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.acceptance.furnished import KEY, RECORD, Furnished, furnished_service

pytestmark = [pytest.mark.real, pytest.mark.slow]

EXAMPLES = max(4, int(os.environ.get("SVTEST_EXAMPLES", "50")) // 12)

# What is there, so that not everything ends at "there is no such thing".
KNOWN = {
    "account": "another-system",
    "collection": "payroll",
    "field": "bank_account",
    "key_type": "encryption-key",
    "mount": "transit",
    "name": KEY,
    "person": "somebody",
    "plan": "nightly",
    "record": RECORD,
    "version": "latest",
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
REACHED = {"admin": 15, "head": 8, "system": 12}
# They would end what the other examples are tried with. Who may not do it tries the first two.
ENDING = ("session_end", "vault_seal", "auth_token_revoke_self")
# Clients look for a 500 where a key's own settings forbid it; and the health's status is theirs to
# choose. The log shows that nothing failed.
MAY_BE_500 = ("key_backup", "key_restore", "key_restore_as", "vault_health")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """The service, with people in it."""
    with furnished_service(tmp_path_factory.mktemp("described")) as service:
        yield service


@pytest.fixture(scope="module")
def schema(running: Furnished) -> Any:
    """The description that the service gives of itself."""
    document = running.installation.call("GET", "/api/v1/openapi.json", "").json()
    made = schemathesis.openapi.from_dict(document)
    made.config.update(base_url=running.installation.address)
    return made


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("who", ["admin", "head", "system"])
def test_nothing_undocumented_comes_back(running: Furnished, schema: Any, who: str) -> None:
    tried, succeeded = 0, set()
    failures: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        name = operation.definition.raw["operationId"]
        if name in ENDING:
            continue
        tried += 1
        try:
            checks = CHECKS[1:] if name in MAY_BE_500 else CHECKS
            if _try(operation, running.tokens[who], checks):
                succeeded.add(name)
        except (Exception, BaseExceptionGroup) as failure:  # noqa: BLE001 - told together
            failures.append(f"{name}: {failure}")
    assert tried > 40
    # The examples reach what lies behind the checks of the input.
    assert len(succeeded) >= REACHED[who], sorted(succeeded)
    assert not failures, "\n\n".join(failures)
    log = running.installation.log()
    for sign in ("Traceback", "unexpected_error", "request_failed"):
        assert sign not in log, log[-3000:]


@pytest.mark.parametrize("name", ENDING[:2])
def test_signing_out_and_sealing_are_described_too(
    running: Furnished, schema: Any, name: str
) -> None:
    (operation,) = (
        found.ok()
        for found in schema.get_all_operations()
        if found.ok().definition.raw["operationId"] == name
    )
    case = operation.Case()
    for token in ("", "svs_x", running.tokens["system"]):
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)


def _try(operation: Any, token: str, checks: list[Any]) -> bool:
    """Try examples; whether one of them succeeded. Raises what does not conform."""
    seen: set[int] = set()
    headers = {"Authorization": f"Bearer {token}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=st.integers(0, 2))
    def conforms(case: Any, known: int) -> None:
        if known:
            given_parts = case.path_parameters or {}
            case.path_parameters = {
                part: KNOWN.get(part, value) for part, value in given_parts.items()
            }
        if known == 2 and "If-Match" in str(case.headers):
            case.headers = {**case.headers, "If-Match": '"1"'}
        seen.add(case.call_and_validate(headers=headers, checks=checks).status_code)

    conforms()
    return any(status < 300 for status in seen)
