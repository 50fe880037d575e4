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
    # Browsers take it from https only, so it does no harm where TLS is not spoken.
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)

_POLICY = b"content-security-policy"


def private_page(policy: str) -> tuple[tuple[bytes, bytes], ...]:
    """The same headers for a page that people look at. policy: what a browser may do for it."""
    return tuple((name, policy.encode() if name == _POLICY else value) for name, value in PRIVATE)
