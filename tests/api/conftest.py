"""The application over a furnished vault, in this process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from secvault.log import configure_logging
from tests.authzen.demo import CONDITIONS, add_somebody, policy_folder, populate
from tests.running_service import Api, Front, House, copied, furnish, system_token
from tests.signing_provider import SigningProvider, serving


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The vault that each test gets a copy of."""
    return furnish(tmp_path_factory.mktemp("furnished"))


@pytest.fixture
def house(furnished: House, tmp_path: Path) -> House:
    """A vault of this test's own."""
    return copied(furnished, tmp_path / "house")


@pytest.fixture(autouse=True)
def log() -> io.StringIO:
    """What the service logs while a test runs."""
    written = io.StringIO()
    configure_logging(written)
    return written


@pytest.fixture(scope="session")
def front() -> Front:
    """The application, to be put before a vault."""
    return Front()


@pytest.fixture
def api(front: Front, house: House) -> Iterator[Api]:
    """The application over this test's own vault."""
    with front.serving(house) as served:
        yield served


@pytest.fixture(scope="session")
def provider() -> Iterator[SigningProvider]:
    """The provider, running; `anew` makes it as it was."""
    with serving(SigningProvider(lambda: 0)) as running:
        yield running


@pytest.fixture
def corp(provider: SigningProvider, house: House) -> SigningProvider:
    """The provider, well behaved until a test says otherwise."""
    fresh = SigningProvider(lambda: int(house.hands.seconds), issuer=provider.issuer)
    fresh.claim = {"amr": ["pwd", "mfa"], "auth_time": int(house.hands.seconds)}
    provider.__dict__.update(vars(fresh))
    return provider


@pytest.fixture(scope="session")
def interop(tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vault with the people and records of the interop demos, and programs that ask."""
    folder = tmp_path_factory.mktemp("interop")
    more = {"SECVAULT_POLICIES": str(policy_folder(folder / "policies")), **CONDITIONS}
    house = furnish(folder / "house", more=more)
    with house.open() as service:
        populate(service)
        add_somebody(service, "grace", "careful")
        with service.store.write() as connection:
            for name in ("k1", "k2"):
                service.keyring.create(connection, "transit", name)
        for name, role in (
            ("gateway", "role:it.searcher"),
            ("portal", "role:it.searcher"),
            ("decider", "role:it.decider"),
        ):
            house.tokens[name] = system_token(service, name, "it", role)
    return house


def _copy(interop: House, folder: Path) -> House:
    made = copied(interop, folder)
    return House(made.folder, made.hands, made.tokens, made.seeds, interop.more)


@pytest.fixture(scope="session")
def asking(interop: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An application over a copy of it, for tests that change nothing."""
    with Front().serving(_copy(interop, tmp_path_factory.mktemp("asking"))) as served:
        yield served


@pytest.fixture
def mine(interop: House, tmp_path: Path) -> House:
    """A copy of it of a test's own."""
    return _copy(interop, tmp_path / "mine")
