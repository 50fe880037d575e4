"""Routes that are declared once, and built when they are first asked for."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from secvault.api.app import routes
from secvault.api.routing import Routes
from secvault.console.furnish import furnish
from secvault.service import Service


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the routes that were built, in their order."""
    paths: list[str] = []
    build = APIRoute.__init__

    def noted(route: APIRoute, path: str, *given: object, **options: object) -> None:
        paths.append(path)
        build(route, path, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(APIRoute, "__init__", noted)
    return paths


def refuse() -> None:
    raise HTTPException(403)


def application(*all_routes: Routes) -> TestClient:
    app = FastAPI(openapi_url="/openapi.json")
    for some in all_routes:
        some.add_to(app)
    return TestClient(app)


def test_no_route_is_built_before_it_is_asked_for_and_none_twice(built: list[str]) -> None:
    some = Routes(prefix="/v1")

    @some.get("/first/{number}")
    def first(number: int) -> int:
        return number

    @some.get("/second")
    def second() -> str:
        return "2"

    client = application(some)
    built.clear()
    assert client.get("/v1/first/7").json() == 7
    assert client.get("/v1/first/8").json() == 8
    assert client.get("/v1/first/nine").status_code == 422
    assert client.get("/v1/third").status_code == 404
    assert built == ["/v1/first/{number}"]


def test_the_service_starts_without_building_a_route(built: list[str]) -> None:
    app = routes(_never_opened, 1 << 20, furnish=furnish)
    assert built == []
    assert len(app.routes) > 500


def test_every_route_of_the_service_can_be_built() -> None:
    app = routes(_never_opened, 1 << 20, furnish=furnish)
    for route in app.routes:
        assert isinstance(route, APIRoute)
        assert route.dependant.call is route.endpoint


def test_a_route_that_cannot_be_built_says_why_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    some = Routes()

    @some.get("/one")
    def one() -> str:
        return "1"

    client = application(some)

    def broken(route: APIRoute, *_given: object, **_options: object) -> None:
        raise AttributeError("of another version")

    monkeypatch.setattr(APIRoute, "__init__", broken)
    with pytest.raises(RuntimeError, match="/one cannot be built: of another version"):
        client.get("/one")


def test_what_all_routes_depend_on_is_asked_before_each() -> None:
    some = Routes(dependencies=[Depends(refuse)])

    @some.get("/one")
    @some.post("/other", status_code=201)
    def answer() -> str:
        return "never"

    client = application(some)
    assert client.get("/one").status_code == 403
    assert client.post("/other").status_code == 403


def test_a_route_adds_to_what_all_have() -> None:
    some = Routes(prefix="/v1", tags=["things"], responses={404: {"description": "None there."}})

    @some.get("/one", responses={409: {"description": "In use."}})
    def one() -> str:
        return "1"

    @some.get("/hidden", include_in_schema=False)
    def hidden() -> str:
        return "h"

    client = application(some, unseen())
    paths = client.get("/openapi.json").json()["paths"]
    assert list(paths) == ["/v1/one"]
    assert paths["/v1/one"]["get"]["tags"] == ["things"]
    assert set(paths["/v1/one"]["get"]["responses"]) == {"200", "404", "409"}
    assert client.get("/v1/hidden").json() == "h"
    assert client.get("/unseen").json() == "u"


def unseen() -> Routes:
    some = Routes(include_in_schema=False)

    @some.get("/unseen")
    def answer() -> str:
        return "u"

    return some


def test_another_method_is_refused_with_those_that_there_are() -> None:
    some = Routes()

    @some.route("/one", ["PUT", "LIST"])
    def one() -> str:
        return "1"

    client = application(some)
    refused = client.post("/one")
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"PUT", "LIST"}
    assert client.request("LIST", "/one").json() == "1"


def test_the_first_that_was_declared_answers() -> None:
    some = Routes()

    @some.get("/things/newest")
    def newest() -> str:
        return "newest"

    @some.get("/things/{name}")
    def named(name: str) -> str:
        return f"named {name}"

    client = application(some)
    assert client.get("/things/newest").json() == "newest"
    assert client.get("/things/other").json() == "named other"


def _never_opened() -> AbstractContextManager[Service]:
    raise AssertionError("no request comes")
