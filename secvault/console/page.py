"""How a page is made: from a template, in the visitor's language, under a strict policy."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, RedirectResponse, Response

from secvault.console.language import LANGUAGES, NAMES, Language, language_of
from secvault.console.menu import menu
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


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page. values: what the template shows; all of it is text there, never markup.

    A template that is shown to somebody who signed in needs `visitor` (see `visitor.Visitor`).
    """
    language = language_of(request)
    values.setdefault("visitor", None)
    # Where another language leads to: a page that answers a form has no address of its own.
    values.setdefault("place", place_of(request))
    made = _environment(language.code).get_template(template)
    visitor = values["visitor"]
    text = made.render(
        language=language.code,
        languages=[(code, NAMES[code]) for code in LANGUAGES],
        here=request.url.path,
        menu=() if visitor is None else menu(visitor),
        say=language.say,
        moment=language.moment,
        ago=language.ago,
        csrf_header=HEADER_NAME,
        **values,
    )
    # Read where all answers get their headers: `api.answering`.
    request.state.content_policy = POLICY
    return HTMLResponse(text, status)


def elsewhere(path: str) -> Response:
    """Send the browser to another page after a form (RFC 9110, 15.4.4). path: one of ours."""
    return RedirectResponse(path, 303)


def own_path(given: str) -> str:
    """A path of ours that a form or a link names; the first page where it is anything else.

    So that nobody is sent to another host after signing in.
    """
    plain = given.startswith("/") and given.isprintable() and "\\" not in given
    return given if plain and not given.startswith("//") else "/"


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
    translations = Language(code).translations
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    return environment
