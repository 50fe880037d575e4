"""What a browser sees while the vault is sealed: one page in both languages, which opens nothing.

It holds nothing of this vault, not even its name, and loads nothing: the files of the console's
look are behind the gate, too.
"""

from __future__ import annotations

import base64
import hashlib

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

_SEALED = 503

STYLE = (
    ":root{color-scheme:light dark;font:100%/1.55 system-ui,sans-serif}"
    "body{margin:0;background:#f7f8f8;color:#1a2323;--line:#d5dcdb;--accent:#125b60;--on:#fff}"
    "@media(prefers-color-scheme:dark){"
    "body{background:#131818;color:#e6ecec;--line:#334040;--accent:#7fd0d2;--on:#0d2223}}"
    "main{max-width:36rem;margin:clamp(1rem,6vw,4rem) auto;padding:0 1rem}"
    "h1{margin:0 0 1rem;font-size:1.6rem;line-height:1.3}"
    "section+section{margin-top:2rem;padding-top:2rem;border-top:1px solid var(--line)}"
    "a{color:var(--accent)}"
    ":focus-visible{outline:3px solid var(--accent);outline-offset:2px}"
    "label,input{display:block}"
    "label{font-weight:600}"
    "input{width:100%;box-sizing:border-box;min-height:2.75rem;font:inherit;padding:.4rem .75rem;"
    "margin:.25rem 0 1rem;border:1px solid #7c8988;border-radius:8px}"
    "button{font:inherit;font-weight:600;min-height:2.75rem;padding:.5rem 1.25rem;border:0;"
    "border-radius:8px;color:var(--on);background:var(--accent)}"
)
"""Of the pages that are shown while the vault is sealed."""

UNSEAL = "/unseal"
"""Where it is unsealed in a browser: see `unseal_page`."""

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do for the page: have its one style, which is this one to the letter."""

_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sealed · Đang niêm phong · secvault</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<section>
<h1>The vault is sealed</h1>
<p>Nothing in it can be read or changed now. Nothing is lost.</p>
<p>Whoever holds its key unseals it: the people with a share of it or with the passphrase, or, where
the vault opens by itself, whoever looks after the server. If you are not one of them, tell the IT
administrators.</p>
<p><a href="{UNSEAL}">Unseal it</a> · <a href="/">Try again</a></p>
</section>
<section lang="vi">
<h1>Kho đang được niêm phong</h1>
<p>Hiện không thể đọc hay thay đổi gì trong kho. Không có dữ liệu nào bị mất.</p>
<p>Người giữ khóa sẽ mở niêm phong: những người giữ một mảnh khóa hoặc cụm mật khẩu; nếu kho tự mở
thì là người phụ trách máy chủ. Nếu bạn không thuộc số đó, hãy báo cho quản trị viên CNTT.</p>
<p><a href="{UNSEAL}">Mở niêm phong</a> · <a href="/">Thử lại</a></p>
</section>
</main>
</body>
</html>
"""


def is_for_a_person(request: Request) -> bool:
    """Whether the answer is to be looked at: a browser asks for HTML by name, programs do not."""
    asked = request.headers.get("Accept", "").split(",")
    return any(one.partition(";")[0].strip().lower() == "text/html" for one in asked)


def sealed_page(request: Request) -> Response:
    """The page, with what a browser may do for it (see `answering`)."""
    request.state.content_policy = POLICY
    return HTMLResponse(_PAGE, _SEALED, {"Vary": "Accept"})
