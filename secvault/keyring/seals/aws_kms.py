"""The seal of kind `aws-kms`: a symmetric key of AWS KMS opens the root.

Credentials come from where the AWS tools look for them (environment, profile, instance role); they
need `kms:Encrypt` and `kms:Decrypt` on this one key. KMS sees only a key made for each wrapping,
never the root; the vault's id is in the encryption context, and so in CloudTrail.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from secvault.crypto import aead
from secvault.crypto.secret import Secret
from secvault.errors import Damaged, Sealed
from secvault.keyring.seals.seal import join_remote, place, split_remote

_SECONDS = 10
# What KMS answers to a ciphertext that it did not make, or not for this context or key.
_FOREIGN = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


@dataclass(frozen=True)
class AwsKmsSeal:
    """Wraps by a key of AWS KMS. endpoint: empty for Amazon's own."""

    key_id: str
    region: str
    endpoint: str = ""
    random: aead.Random = field(default=os.urandom, repr=False)

    @property
    def kind(self) -> str:
        """See Seal."""
        return "aws-kms"

    @property
    def parameters(self) -> str:
        """None: the key stands in the settings."""
        return ""

    def wrap(self, root: Secret, vault_id: str) -> bytes:
        """See Seal. Also Sealed when KMS cannot be reached or refuses."""
        key = Secret(aead.draw(aead.KEY_BYTES, self.random))
        answer = self._call(
            "encrypt",
            KeyId=self.key_id,
            Plaintext=key.expose(),
            EncryptionContext=_context(vault_id),
        )
        where = place(vault_id, self.kind, self.parameters)
        sealed = aead.seal(root.expose(), key, where, self.random)
        return join_remote(bytes(answer["CiphertextBlob"]), sealed)

    def unwrap(self, wrapped: bytes, vault_id: str) -> Secret:
        """See Seal. Also Sealed when KMS cannot be reached or refuses."""
        wrapped_key, envelope = split_remote(wrapped)
        answer = self._call(
            "decrypt",
            KeyId=self.key_id,
            CiphertextBlob=wrapped_key,
            EncryptionContext=_context(vault_id),
        )
        where = place(vault_id, self.kind, self.parameters)
        try:
            return Secret(aead.open_sealed(envelope, Secret(bytes(answer["Plaintext"])), where))
        except Damaged:
            raise self._damaged() from None

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        # Loaded only where this seal is used: the library is large.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            client = boto3.client(
                "kms",
                region_name=self.region,
                endpoint_url=self.endpoint or None,
                config=Config(
                    connect_timeout=_SECONDS,
                    read_timeout=_SECONDS,
                    retries={"total_max_attempts": 3},
                ),
            )
            answer: dict[str, Any] = getattr(client, operation)(**arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code in _FOREIGN:
                raise self._damaged() from None
            raise Sealed(
                f"seal.aws_kms: KMS answered {code} for the key {self.key_id}; look whether the "
                "key is enabled in this region and the credentials may use it"
            ) from None
        except (BotoCoreError, ValueError) as error:
            raise Sealed(
                f"seal.aws_kms: KMS cannot be asked ({type(error).__name__}); check the region, "
                "the credentials and the way there"
            ) from None
        return answer

    def _damaged(self) -> Damaged:
        return Damaged(
            f"the root key does not open with the KMS key {self.key_id}: it is another key or "
            "another vault's, or the stored root was changed"
        )


def _context(vault_id: str) -> dict[str, str]:
    return {"secvault": vault_id}
