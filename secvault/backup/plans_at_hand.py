"""Every plan that runs may be made of: those of the settings, then those of the store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from secvault.backup import plan_secrets, plans
from secvault.backup.plan_rules import Openings, require_storable
from secvault.backup.plan_secrets import PING
from secvault.config import PlanSettings
from secvault.config.backup_sources import BucketSource, MariadbSource, PostgresqlSource
from secvault.config.section import file_content
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError, InvalidInput, NotFound
from secvault.keyring import Keyring
from secvault.store import Store

# A plan's name becomes part of tags (no comma) and of folder names (no slash).
_PLAN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}")


@dataclass(frozen=True)
class PlansAtHand:
    """Plans by name. declared: of the settings, which go before one of the store of their name."""

    declared: Mapping[str, PlanSettings]
    store: Store
    keyring: Keyring
    openings: Openings

    def get(self, name: str) -> PlanSettings:
        """The plan, to be run: its `ping_url` is filled in, its other secrets are not.

        Raises NotFound; ConfigurationError for a name that cannot be used, and for a plan of the
        store that the settings of now do not allow; Damaged.
        """
        declared = self.declared.get(name)
        if declared is not None:
            if not _PLAN.fullmatch(name):
                raise ConfigurationError(
                    f"backup.plans.{name}: name a plan with letters, digits and _ . - (at most 127)"
                )
            return declared
        with self.store.read() as connection:
            found = plans.stored(connection, name)
        if found is None:
            known = ", ".join(sorted(self.all())) or "none"
            raise NotFound(f"there is no backup plan {name[:128]!r}; there are: {known}")
        ping = self._secret(name, found.settings, PING) if PING in found.secrets else None
        secrets = dict.fromkeys(found.secrets, "")
        if ping is not None:
            secrets[PING] = ping.text()
        try:
            require_storable(found.settings, secrets, self.openings)
        except InvalidInput as error:
            raise ConfigurationError(
                f"the backup plan {name} of the store is not allowed any more: {error.detail}",
                fields=error.fields,
            ) from None
        return found.settings.model_copy(update={PING: secrets.get(PING, "")})

    def all(self) -> dict[str, PlanSettings]:
        """Every plan by name, paused ones too; those of the store without their secrets.

        What is named here is not yet allowed to run: `get` says so. Raises Damaged.
        """
        with self.store.read() as connection:
            return {**plans.all_settings(connection), **self.declared}

    def names(self) -> frozenset[str]:
        """The names of all, also of those that cannot be read."""
        with self.store.read() as connection:
            return frozenset({*plans.names(connection), *self.declared})

    def readable(self) -> dict[str, PlanSettings]:
        """As `all`, without those that cannot be read, so that they do not stop the others."""
        with self.store.read() as connection:
            return {**plans.all_settings(connection, readable=True), **self.declared}

    def source_password(self, plan: str, name: str) -> Secret | None:
        """The password or secret key of a plan's source; None where none is set.

        Raises NotFound, ConfigurationError naming the setting, Damaged.
        """
        settings = self.get(plan)
        source = settings.sources[name]
        setting = f"backup.plans.{plan}.sources.{name}"
        match source:
            case PostgresqlSource() | MariadbSource():
                given, file, key = source.password, source.password_file, "password"
            case BucketSource():
                given, file = source.secret_access_key, source.secret_access_key_file
                key = "secret_access_key"
            case _:
                return None
        if plan not in self.declared:
            return self._secret(plan, settings, f"sources.{name}.{key}")
        if file is not None:
            return Secret.of(file_content(file, f"{setting}.{key}_file"))
        return Secret.of(given.get_secret_value()) if given.get_secret_value() else None

    def _secret(self, plan: str, settings: PlanSettings, place: str) -> Secret | None:
        key = self.keyring.internal(plan_secrets.PURPOSE)
        with self.store.read() as connection:
            return plan_secrets.reveal(connection, key, plan, settings, place)
