"""A small schema, the shipped policy, a policy with a deny, and stores of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from secvault.access import Rules, load_rules
from secvault.access.rules import parse_rules
from secvault.clock import Clock
from secvault.store import Store

POLICIES = Path(__file__).parents[2] / "policies"
HEADER = "ptype,sub,dom,obj,fld,act,cond,eft,id\n"


@dataclass
class FakeTime:
    """A clock that stands still until it is set."""

    at: int = 1_700_000_000_000_000
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(
            wall=lambda: self.at,
            monotonic=lambda: self.at / 1_000_000,
            sleep=lambda _seconds: None,
        )


@pytest.fixture(scope="session")
def fields() -> Mapping[str, Mapping[str, str]]:
    """One field of each class in every collection that the tests speak of."""
    every = {
        "period": "normal",
        "full_name": "personal",
        "id_number": "identity",
        "gross_salary": "salary",
        "bank_account": "bank",
        "diagnosis": "health",
        "unit_price": "price",
        "recipe": "trade_secret",
    }
    collections = (
        "invoices payments tax_filings employees contracts payroll insurance formulas work_orders "
        "equipment inspections complaints datasets assets visitors shipments warehouse "
        "transactions suppliers data_requests disputes"
    )
    return dict.fromkeys(collections.split(), every)


@pytest.fixture(scope="session")
def model() -> str:
    return (POLICIES / "model.conf").read_text()


@pytest.fixture(scope="session")
def shipped(fields: Mapping[str, Mapping[str, str]]) -> Rules:
    """The policy that the product ships."""
    return load_rules(POLICIES, fields)


@pytest.fixture(scope="session")
def parse(model: str, fields: Mapping[str, Mapping[str, str]]) -> Callable[[str], Rules]:
    """Read rows of roles.csv; the header is put before them."""
    return lambda rows: parse_rules(model, HEADER + rows, fields)


@pytest.fixture(scope="session")
def with_deny(parse: Callable[[str], Rules]) -> Rules:
    """A clerk who reads payroll, and a role that takes every right in hr away."""
    return parse(
        "p,role:hr.clerk,hr,payroll,*,record.read,always,allow,read\n"
        "p,role:hr.payer,hr,payroll,class:bank,record.read,aal2_fresh:300,allow,read-bank\n"
        "p,role:hr.suspended,hr,*,*,*,always,deny,suspended\n"
        "g,role:hr.payer,role:hr.clerk,hr\n"
    )


@pytest.fixture
def now() -> FakeTime:
    return FakeTime()


@pytest.fixture
def store(any_store: Store) -> Store:
    """An empty store at the present schema, on each engine."""
    return any_store
