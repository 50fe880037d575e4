"""A page to unseal the vault in a browser: for one share after the other, or the passphrase.

It does what `PUT /v1/sys/unseal` does, in a form. Nothing in it is of this vault but the kind of
its seal and how many shares were given, which every client may ask. It needs no session, for there
is none while the vault is sealed.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Annotated

from fastapi import Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from secvault.api.browser import refuse_other_pages
from secvault.api.caller import node_of, open_service_of
from secvault.api.declared import open_to_all
from secvault.api.routing import Routes
from secvault.api.sealed_page import STYLE, UNSEAL
from secvault.crypto.secret import Secret
from secvault.errors import InvalidInput, TooManyAttempts
from secvault.keyring.seals.seal import BY_PEOPLE
from secvault.service import seals
from secvault.service.seals import SealState

router = Routes(include_in_schema=False)

LONGEST = 2_000
"""Characters of a share or a passphrase, at most."""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""What a browser may do for the page: have its one style, and send its forms to this service."""

WORDS = {
    "en": {
        "link": "Unseal it",
        "title": "Unseal the vault",
        "shares": "Each holder of a share types the words of theirs, at any computer and in any "
        "order. The vault opens with the last one that is needed.",
        "passphrase": "Whoever knows the passphrase types it here.",
        "share": "The words of one share",
        "phrase": "Passphrase",
        "give": "Give it",
        "progress": "Given so far: {progress} of {threshold}.",
        "reset": "Begin again: forget the shares given so far",
        "by-itself": "This vault is opened by what its settings name, and by nobody here. Whoever "
        "looks after the server sees to it.",
        "wrong": "That was not taken: {detail}",
        "later": "Too many attempts just now. Wait {seconds} seconds, then try again.",
        "back": "Back",
    },
    "vi": {
        "link": "Mở niêm phong",
        "title": "Mở niêm phong kho",
        "shares": "Mỗi người giữ một mảnh khóa gõ các từ của mình, từ máy nào và theo thứ tự nào "
        "cũng được. Kho mở khi có đủ số mảnh cần thiết.",
        "passphrase": "Người biết cụm mật khẩu gõ vào đây.",
        "share": "Các từ của một mảnh khóa",
        "phrase": "Cụm mật khẩu",
        "give": "Đưa vào",
        "progress": "Đã có: {progress} trên {threshold}.",
        "reset": "Làm lại từ đầu: bỏ các mảnh đã đưa vào",
        "by-itself": "Kho này được mở bằng thứ mà cấu hình nêu tên, không phải bởi ai ở đây. "
        "Người phụ trách máy chủ lo việc này.",
        "wrong": "Không nhận được: {detail}",
        "later": "Vừa có quá nhiều lần thử. Hãy chờ {seconds} giây rồi thử lại.",
        "back": "Quay lại",
    },
}
"""What the page says, by language; `link`: as the page of a sealed vault leads here."""

REFUSALS = {
    "these words are not a share; check their spelling and order, and that all of them are there": (
        "những từ này không phải là một mảnh khóa; hãy kiểm tra chính tả, thứ tự, và xem đã đủ các "
        "từ chưa"
    ),
    "this share does not belong to this vault's present set of shares": (
        "mảnh khóa này không thuộc bộ mảnh khóa hiện nay của kho"
    ),
    "the shares do not belong together; all are forgotten, begin again": (
        "các mảnh khóa không cùng một bộ; tất cả đã bị bỏ, hãy làm lại từ đầu"
    ),
    "too long for a share; give one share at a time": (
        "quá dài so với một mảnh khóa; mỗi lần chỉ đưa một mảnh"
    ),
    "a share has only the letters a to z and spaces": (
        "mảnh khóa chỉ gồm các chữ cái từ a đến z và dấu cách"
    ),
    "the vault does not open with these shares: one of them is not of this vault's present set, or "
    "the stored root was changed": (
        "kho không mở được bằng các mảnh khóa này: có mảnh không thuộc bộ hiện nay của kho, hoặc "
        "khóa gốc lưu trong kho đã bị sửa"
    ),
    "the vault does not open with this passphrase: it is not the right one, or the stored root was "
    "changed": (
        "kho không mở được bằng cụm mật khẩu này: cụm mật khẩu không đúng, hoặc khóa gốc lưu trong "
        "kho đã bị sửa"
    ),
}
"""Why a share or a passphrase is not taken, in Vietnamese; what else there is, is for whoever looks
after the server.
"""
_FIELD = "key: "


@router.get(UNSEAL)
@open_to_all("while the vault is sealed there is nobody to ask who somebody is; it opens nothing")
def unseal_form(request: Request) -> Response:
    """The form, in both languages; the first page where the vault is open."""
    state = seals.state(open_service_of(request), node_of(request))
    return _page(request, state) if state.sealed else RedirectResponse("/", 303)


@router.post(UNSEAL)
@open_to_all(
    "whoever gives shares or the passphrase proves by them that they may; guessing is slow"
)
def unseal(
    request: Request,
    key: Annotated[str, Form(max_length=LONGEST)] = "",
    again: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Take one share, or the passphrase; or begin again. Raises ForeignPage."""
    refuse_other_pages(request)
    given = Secret.of(key.strip()) if key.strip() and not again else None
    try:
        state = seals.unseal(
            lambda: open_service_of(request),
            node_of(request),
            given,
            reset=bool(again),
            request_id=request.state.request_id,
        )
    except (InvalidInput, TooManyAttempts) as error:
        state = seals.state(open_service_of(request), node_of(request))
        return _page(request, state, error)
    return RedirectResponse(UNSEAL if state.sealed else "/", 303)


def _page(
    request: Request, state: SealState, error: InvalidInput | TooManyAttempts | None = None
) -> Response:
    # Read where all answers get their headers: `answering`.
    request.state.content_policy = POLICY
    sections = "".join(_section(language, state, error) for language in WORDS)
    shown = HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Unseal · Mở niêm phong · secvault</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{sections}</main>
</body>
</html>
""",
        200 if error is None else error.status,
    )
    if isinstance(error, TooManyAttempts):
        shown.headers["Retry-After"] = str(error.retry_after)
    return shown


def _section(language: str, state: SealState, error: InvalidInput | TooManyAttempts | None) -> str:
    said = WORDS[language]
    # Of two headings, one is the page's.
    level = "h1" if language == "en" else "h2"
    lines = [f'<section lang="{language}">', f"<{level}>{said['title']}</{level}>"]
    if isinstance(error, TooManyAttempts):
        lines.append(f'<p role="alert">{said["later"].format(seconds=error.retry_after)}</p>')
    elif error is not None:
        detail = _refusal(language, error.detail.removeprefix(_FIELD))
        lines.append(f'<p role="alert">{said["wrong"].format(detail=detail)}</p>')
    if state.kind in BY_PEOPLE:
        lines += _form(language, state)
    else:
        lines.append(f"<p>{said['by-itself']}</p>")
    lines += [f'<p><a href="/">{said["back"]}</a></p>', "</section>"]
    return "\n".join(lines) + "\n"


def _refusal(language: str, detail: str) -> str:
    if language == "vi" and detail in REFUSALS:
        return REFUSALS[detail]
    return f'<span lang="en">{escape(detail)}</span>'


def _form(language: str, state: SealState) -> list[str]:
    said, by_shares = WORDS[language], state.kind == "shares"
    lines = [f"<p>{said['shares' if by_shares else 'passphrase']}</p>"]
    if by_shares:
        given = said["progress"].format(progress=state.progress, threshold=state.threshold)
        lines.append(f'<p role="status"><strong>{given}</strong></p>')
    # The words of a share are seen, to be compared with the paper: there are twenty of them.
    kind = "text" if by_shares else "password"
    plain = f'maxlength="{LONGEST}" autocomplete="off" autocapitalize="none" spellcheck="false"'
    lines += [
        f'<form method="post" action="{UNSEAL}" autocomplete="off">',
        f'<label for="key-{language}">{said["share" if by_shares else "phrase"]}</label>',
        f'<input id="key-{language}" name="key" type="{kind}" required {plain}>',
        f"<button>{said['give']}</button>",
        "</form>",
    ]
    if state.progress:
        lines += [
            f'<form method="post" action="{UNSEAL}">',
            '<input type="hidden" name="again" value="yes">',
            f"<button>{said['reset']}</button>",
            "</form>",
        ]
    return lines
