"""The seal of kind `vault`: another Vault or OpenBao server opens the root, by its transit engine.

Its token needs `update` on `<mount>/encrypt/<key>` and `<mount>/decrypt/<key>` and nothing more
(renewing itself is in Vault's default policy). The server sees only a key made for each wrapping,
never the root. The transit key must be of a kind that takes associated data, such as aes256-gcm96.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, Damaged, Sealed
from secvault.keyring.seals.seal import join_remote, place, split_remote

_SECONDS = 10.0
_LONGEST_TOKEN = 4096


@dataclass(frozen=True)
class TransitSeal:
    """Wraps by a key of a transit engine. Each call reads the token file anew."""

    address: str
    token_file: Path
    mount: str = "transit"
    key: str = "secvault"
    namespace: str = ""
    ca_file: Path | None = None
    random: aead.Random = field(default=os.urandom, repr=False)

    @property
    def kind(self) -> str:
        """See Seal."""
        return "vault"

    @property
    def parameters(self) -> str:
        """None: the server and its key stand in the settings."""
        return ""

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """See Seal. Also Sealed when the server cannot be reached or refuses."""
        key = Secret(aead.draw(aead.KEY_BYTES, self.random))
        body = {
            "plaintext": base64.b64encode(key.expose()).decode(),
            "associated_data": _bound(vault_id),
        }
        text = str(self._call(f"{self.mount}/encrypt/{self.key}", body).get("ciphertext", ""))
        if not text.startswith("vault:v"):
            raise Sealed(f"seal.vault: {self.address} answered without a ciphertext")
        where = place(vault_id, self.kind, self.parameters)
        return join_remote(text.encode(), aead.seal(root.expose(), key, where, self.random))

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """See Seal. Also Sealed when the server cannot be reached or refuses."""
        wrapped_key, envelope = split_remote(wrapped)
        try:
            body = {"ciphertext": wrapped_key.decode("ascii"), "associated_data": _bound(vault_id)}
        except UnicodeDecodeError:
            raise _damaged(self.address) from None
        answer = self._call(f"{self.mount}/decrypt/{self.key}", body)
        try:
            key = Secret(base64.b64decode(str(answer.get("plaintext", "")), validate=True))
        except binascii.Error:
            raise _damaged(self.address) from None
        if len(key.expose()) != aead.KEY_BYTES:
            raise _damaged(self.address)
        try:
            where = place(vault_id, self.kind, self.parameters)
            return Secret(aead.open_sealed(envelope, key, where))
        except Damaged:
            raise _damaged(self.address) from None

    def renew(self) -> int:
        """Renew the token; the seconds that it now lives, 0 for one that never ends.

        Raises Sealed, saying what to do, when it cannot be renewed.
        """
        answer = self._request("GET", "auth/token/lookup-self", None)
        data = answer.get("data")
        if isinstance(data, dict) and not data.get("renewable"):
            return int(data.get("ttl") or 0)
        auth = self._request("POST", "auth/token/renew-self", {}).get("auth")
        return int(auth.get("lease_duration") or 0) if isinstance(auth, dict) else 0

    def _call(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        data = self._request("POST", path, body).get("data")
        return data if isinstance(data, dict) else {}

    def _request(self, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self.namespace:
            headers["X-Vault-Namespace"] = self.namespace
        # Loaded only where this seal is used.
        import httpx2  # noqa: PLC0415

        url = f"{self.address.rstrip('/')}/v1/{path}"
        try:
            with httpx2.Client(
                verify=self._trust(), timeout=_SECONDS, follow_redirects=False
            ) as client:
                answer = client.request(method, url, json=body, headers=headers)
                content = answer.json() if answer.content else {}
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Sealed(
                f"seal.vault.address: {self.address} cannot be reached ({type(error).__name__})"
            ) from None
        except ValueError:
            raise Sealed(
                f"seal.vault.address: what answers at {self.address} is no Vault or OpenBao"
            ) from None
        if answer.status_code >= 300 or not isinstance(content, dict):
            raise self._refused(answer.status_code, path)
        return content

    def _refused(self, status: int, path: str) -> Sealed | Damaged:
        if status == 400 and "/decrypt/" in path:
            return _damaged(self.address)
        mends = {
            400: f"look whether the key {self.mount}/{self.key} exists and is of aes256-gcm96",
            403: f"the token in {self.token_file} is not valid there, or may not use {path}",
            404: f"there is no mount {self.mount} or no key {self.key}",
            503: "it is sealed itself; unseal it first",
        }
        mend = mends.get(status, "see its log")
        return Sealed(f"seal.vault: {self.address} answered {status} to {path}: {mend}")

    def _trust(self) -> ssl.SSLContext | bool:
        if self.ca_file is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError):
            raise ConfigurationError(
                f"seal.vault.ca_file: {self.ca_file} is not a PEM file of certificates"
            ) from None

    def _token(self) -> str:
        try:
            with self.token_file.open("rb") as file:
                others = stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077
                content = file.read(_LONGEST_TOKEN)
        except OSError as error:
            raise Sealed(
                f"seal.vault.token_file: {self.token_file} cannot be read: {error.strerror}"
            ) from None
        if others:
            raise ConfigurationError(
                f"seal.vault.token_file: {self.token_file} can be read by others: "
                f"chmod 600 {self.token_file}"
            )
        try:
            token = content.decode("ascii").strip()
        except UnicodeDecodeError:
            token = ""
        if not token or not token.isprintable():
            raise ConfigurationError(f"seal.vault.token_file: {self.token_file} holds no token")
        return token


def _bound(vault_id: str) -> str:
    return base64.b64encode(aead.bind("secvault/root-key", vault_id)).decode()


def _damaged(address: str) -> Damaged:
    return Damaged(
        f"the root key does not open with the key at {address}: it is another key or another "
        "vault's, or the stored root was changed"
    )
