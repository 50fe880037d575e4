"""Canaille, a real identity provider, as a process: `python identity_provider.py REDIRECT_URI...`.

Prints its issuer, and ends with its standard input. People and groups lie in memory.
"""

from __future__ import annotations

import datetime
import sys
import threading
import warnings
from typing import Any

NAME, PASSWORD, GROUP = "mai.le", "a password at the provider", "Payroll"
CLIENT, SECRET = "secvault", "a-secret-of-the-client"


def main(redirect_uris: list[str]) -> None:
    """Serve until the standard input ends."""
    warnings.simplefilter("ignore")
    from canaille import create_app  # noqa: PLC0415
    from canaille.app import models  # noqa: PLC0415
    from joserfc.jwk import RSAKey  # noqa: PLC0415
    from werkzeug.serving import make_server  # noqa: PLC0415

    key = RSAKey.generate_key(2048, {"kid": "of-canaille", "use": "sig", "alg": "RS256"})
    settings = {
        "SECRET_KEY": "a key of this test's own",
        "CANAILLE": {
            "DATABASE": "memory",
            "JAVASCRIPT": False,
            "LOGGING": {"version": 1, "disable_existing_loggers": True},
            "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"], "READ": ["user_name", "groups"]}},
        },
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [key.as_dict(private=True)],
            "TRUSTED_DOMAINS": ["localhost"],
        },
    }
    server = make_server("127.0.0.1", 0, lambda *_: iter(()), threaded=True)
    app = create_app(settings, env_file="/dev/null")
    # Its store in memory does not bear two requests at the same moment.
    turn = threading.Lock()

    def one_at_a_time(environ: Any, start_response: Any) -> list[bytes]:
        with turn:
            return list(app(environ, start_response))

    server.app = one_at_a_time
    app.backend.do_query = _all_of(app.backend.do_query)
    with app.app_context(), app.backend.session():
        now = datetime.datetime.now(datetime.UTC)
        person = models.User(
            # What it gives as `preferred_username`.
            display_name=NAME,
            user_name=NAME,
            formatted_name="Lê Thị Mai",
            family_name="Lê",
            emails=["m@example.com"],
        )
        app.backend.save(person)
        app.backend.set_user_password(person, PASSWORD)
        app.backend.save(models.Group(display_name=GROUP, members=[person]))
        client = models.Client(
            client_id=CLIENT,
            client_secret=SECRET,
            client_id_issued_at=now,
            client_name="secvault",
            client_uri="http://localhost",
            redirect_uris=redirect_uris,
            post_logout_redirect_uris=["http://localhost/"],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "profile", "groups"],
            token_endpoint_auth_method="client_secret_basic",
        )
        app.backend.save(client)
        client.audience = [client]
        app.backend.save(client)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://localhost:{server.server_port}", flush=True)
    sys.stdin.read()


def _all_of(one_of: Any) -> Any:
    """Its store in memory finds what fits one condition, so also the code of another sign-in."""

    def query(model: Any, *args: Any, **wanted: Any) -> list[Any]:
        found = one_of(model, *args, **wanted)
        for name, value in wanted.items():
            fitting = {each.id for each in one_of(model, **{name: value})}
            found = [each for each in found if each.id in fitting]
        return list(found)

    return query


if __name__ == "__main__":
    main(sys.argv[1:])
