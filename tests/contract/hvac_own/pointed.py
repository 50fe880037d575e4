"""A pytest plugin for hvac's own test cases: points them at a server that runs already.

Their base class starts `vault` by a ServerManager. This one takes its place and starts nothing; all
else of hvac's tests is as its authors wrote it. What it needs is in HVAC_OWN_* variables.
"""

from __future__ import annotations

import json
import os
import sys
from types import ModuleType
from typing import Any
from unittest import SkipTest

import hvac


class ServerManager:
    """The running server, under the names that hvac's cases use."""

    def __init__(self, config_paths: list[str], *_: Any, **__: Any) -> None:
        self.config_paths = config_paths
        self.root_token = os.environ["HVAC_OWN_TOKEN"]
        self.keys = json.loads(os.environ["HVAC_OWN_KEYS"])
        self.client: hvac.Client | None = None

    def start(self) -> None:
        """Connect."""
        self.client = hvac.Client(os.environ["HVAC_OWN_ADDRESS"])

    def initialize(self) -> None:
        """Take the token that the server has for this."""
        assert self.client is not None
        self.client.token = self.root_token

    def unseal(self) -> None:
        """Unseal it, should a case have sealed it."""
        client = hvac.Client(os.environ["HVAC_OWN_ADDRESS"])
        if client.sys.is_sealed():
            client.sys.submit_unseal_keys(self.keys)

    def stop(self) -> None:
        """Let go of it; it runs on."""
        self.client = None

    def get_active_vault_addresses(self) -> list[str]:
        """Its address."""
        return [os.environ["HVAC_OWN_ADDRESS"]]

    def restart_vault_cluster(self, *_: Any, **__: Any) -> None:
        """Say that this server is not the cases' own."""
        raise SkipTest("the server is not the cases' own, to be started again")


_SUBSTITUTE = ModuleType("tests.utils.server_manager")
_SUBSTITUTE.ServerManager = ServerManager  # type: ignore[attr-defined]
sys.modules[_SUBSTITUTE.__name__] = _SUBSTITUTE
