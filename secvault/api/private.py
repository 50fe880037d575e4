"""The headers that keep an answer between the service and its caller."""

from __future__ import annotations

PRIVATE = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"; ".join(
            (
                b"default-src 'none'",
                b"style-src 'unsafe-inline'",
                b"object-src 'none'",
                b"base-uri 'none'",
                b"form-action 'none'",
                b"frame-ancestors 'none'",
            )
        ),
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Browsers take it from https only, so it does no harm where TLS is not spoken.
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)

Headers = tuple[tuple[bytes, bytes], ...]

_POLICY = b"content-security-policy"
_CACHE = b"cache-control"
_FOR_EVER = b"public, max-age=31536000, immutable"


def private_page(policy: str) -> Headers:
    """The same headers for a page that people look at. policy: what a browser may do for it."""
    return tuple((name, policy.encode() if name == _POLICY else value) for name, value in PRIVATE)


def lasting(headers: Headers) -> Headers:
    """The same for what says nothing about anybody and never changes under its name."""
    return tuple((name, _FOR_EVER if name == _CACHE else value) for name, value in headers)
