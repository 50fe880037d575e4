"""An HSM in software (SoftHSM2): one token with a user PIN, below the site's folder."""

from __future__ import annotations

import secrets
from pathlib import Path

from throwaway.programs import find
from throwaway.site import NotStarted, Site

# Where Debian and others put it; it is no program that could be looked for.
MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/softhsm/libsofthsm2.so"),
    Path("/usr/local/lib/softhsm/libsofthsm2.so"),
)
TOKEN = "secvault-test"


def start(site: Site) -> dict[str, str]:
    """Return SOFTHSM2_CONF, which the module reads, SVTEST_PKCS11_MODULE, _TOKEN and _PIN."""
    module = next((file for file in MODULES if file.is_file()), None)
    if module is None:
        raise NotStarted(f"libsofthsm2.so is in none of {', '.join(map(str, MODULES))}")
    tokens = site.folder_of(None, "tokens")
    config = site.file_of(
        None,
        "softhsm2.conf",
        f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n",
    )
    pin = secrets.token_hex(8)
    # SoftHSM's tool takes them as arguments only; they are worth nothing.
    argv = [find("softhsm2-util"), "--init-token", "--free", "--label", TOKEN]
    site.run(
        [*argv, "--pin", pin, "--so-pin", secrets.token_hex(8)], env={"SOFTHSM2_CONF": str(config)}
    )
    return {
        "SOFTHSM2_CONF": str(config),
        "SVTEST_PKCS11_MODULE": str(module),
        "SVTEST_PKCS11_TOKEN": TOKEN,
        "SVTEST_PKCS11_PIN": pin,
    }
