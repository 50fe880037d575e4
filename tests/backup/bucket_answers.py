"""A server's answers about one bucket, as real ones give them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Bucket:
    """policy, acl: empty for none. denied: the questions that the credentials may not ask."""

    policy: str = ""
    acl: str = ""
    blocked: bool = False
    denied: tuple[str, ...] = ()

    def get_public_access_block(self, **_request: Any) -> Mapping[str, Any]:
        self._heed("get_public_access_block")
        if not self.blocked:
            raise _error("NoSuchPublicAccessBlockConfiguration")
        block = {"RestrictPublicBuckets": True, "IgnorePublicAcls": True}
        return {"PublicAccessBlockConfiguration": block}

    def get_bucket_policy(self, **_request: Any) -> Mapping[str, Any]:
        self._heed("get_bucket_policy")
        if not self.policy:
            raise _error("NoSuchBucketPolicy")
        return {"Policy": self.policy}

    def get_bucket_acl(self, **_request: Any) -> Mapping[str, Any]:
        self._heed("get_bucket_acl")
        grant = {"Grantee": {"Type": "Group", "URI": self.acl}} if self.acl else {"Grantee": {}}
        return {"Grants": [grant]}

    def _heed(self, name: str) -> None:
        if name in self.denied:
            raise _error("AccessDenied")


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Question")
