"""How a page is made: from a template, in the visitor's language, under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import compile_path

from secvault.api.browser import LOOKING
from secvault.console.assets import has_htmx
from secvault.console.assets import place_of as place_of_asset
from secvault.console.language import LANGUAGES, NAMES, Language, language_of
from secvault.console.menu import menu
from secvault.console.tell import tell
from secvault.console.visitor import place_of
from secvault.identity.csrf import HEADER_NAME

POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
    )
)
"""What a browser may do for a page: nothing inline, nothing of another host, no frames."""

_YEAR_SECONDS = 365 * 24 * 3600
_NO_PAGES = ("//", "/api/", "/v1/", "/access/", "/scim/", "/metrics/")


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page. values: what the template shows; all of it is text there, never markup.

    A template that is shown to somebody who signed in needs `visitor` (see `visitor.Visitor`).
    """
    values.setdefault("visitor", None)
    visitor = values["visitor"]
    here = request.url.path if request.method in LOOKING else page_above(request)
    # Where another language leads to. What a stranger's link says is not said again.
    seen = visitor is not None and request.method in LOOKING
    values.setdefault("place", place_of(request) if seen else here)
    text = part(
        request,
        template,
        languages=[(code, NAMES[code]) for code in LANGUAGES],
        here=here,
        menu=() if visitor is None else menu(visitor),
        csrf_header=HEADER_NAME,
        asset=place_of_asset,
        has_htmx=has_htmx(),
        **values,
    )
    # Read where all answers get their headers: `api.answering`.
    request.state.content_policy = POLICY
    return HTMLResponse(text, status)


def part(request: Request, template: str, **values: Any) -> str:
    """A part of a page, for one that is open already; values as for `page`."""
    language = language_of(request)
    return (
        _environment(language.code)
        .get_template(template)
        .render(
            language=language.code,
            say=language.say,
            moment=language.moment,
            ago=language.ago,
            zone=language.zone,
            **values,
        )
    )


def elsewhere(path: str) -> Response:
    """Send the browser to another page after a form (RFC 9110, 15.4.4). path: one of ours."""
    return RedirectResponse(path, 303)


def keep_choice(answer: Response, cookie: str, chosen: str) -> None:
    """Have the browser keep what a visitor chose for the pages, for a year; nothing forgets it."""
    answer.set_cookie(
        cookie,
        chosen,
        max_age=_YEAR_SECONDS if chosen else 0,
        secure=True,
        httponly=True,
        samesite="strict",
    )


def own_path(given: str) -> str:
    """A path of ours that a form or a link names; the first page where it is anything else.

    So that nobody is sent to another host after signing in; nor to what is no page: some of it is
    put on record or downloaded by being asked for.
    """
    plain = given.startswith("/") and given.isprintable() and "\\" not in given
    path = normpath(unquote(given.partition("?")[0].partition("#")[0])).rstrip("/") + "/"
    return given if plain and not given.startswith("//") and not path.startswith(_NO_PAGES) else "/"


def page_above(request: Request) -> str:
    """The nearest page at the request's path or above it: where the form stands that goes there."""
    path: str = request.scope["path"]
    while path not in ("", "/"):
        if any(page.match(path) for page in _pages(request.app)):
            return own_path(path)
        path = path.rpartition("/")[0]
    return "/"


@cache
def _pages(app: FastAPI) -> tuple[re.Pattern[str], ...]:
    """The paths of the console's pages."""
    package = f"{__name__.rpartition('.')[0]}."
    return tuple(
        compile_path(str(route.path))[0]
        for route in iter_route_contexts(app.routes)
        if getattr(route.endpoint, "__module__", "").startswith(package)
        and "GET" in (route.methods or ())
    )


@cache
def _environment(code: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("secvault.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.globals["tell"] = partial(tell, code=code)
    language = Language(code)
    translations = language.translations
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.globals["number"] = language.number
    for name in ("gettext", "ngettext"):
        environment.globals[name] = _counted(environment.globals[name], language)
    return environment


def _counted(said: Any, language: Language) -> Callable[..., str]:
    """The same messages, with the numbers in them as the language writes them."""

    @pass_context
    def message(context: Context, *texts: Any, **values: Any) -> str:
        spoken: str = said(context, *texts, **language.counted(values))
        return spoken

    return message
