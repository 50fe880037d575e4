"""The settings: from `SECVAULT_*` variables, a TOML file, and defaults, in that order.

Promises: a setting that is unknown, of the wrong type or makes no sense stops the program with
the file or variable, the key and the mend, and no error shows a value. Needs nothing. `load` is
called once, by the program's entry; everything else is handed the values it needs. Every setting
stands in config.example.toml with its default. Start reading at `secvault.config.model`.
"""

from secvault.config.audit import AuditSettings
from secvault.config.backup import BackupSettings, HookSettings, PlanSettings, RepositorySettings
from secvault.config.federation import MappedGroups, OidcSettings, ScimSettings
from secvault.config.keys import named_tables, setting_keys
from secvault.config.load import config_file, load, settings_with_origin
from secvault.config.model import (
    IdentitySettings,
    KeySettings,
    SealSettings,
    ServerSettings,
    Settings,
    StoreSettings,
    shipped_policies,
)
from secvault.config.written import settings_text

__all__ = [
    "AuditSettings",
    "BackupSettings",
    "HookSettings",
    "IdentitySettings",
    "KeySettings",
    "MappedGroups",
    "OidcSettings",
    "PlanSettings",
    "RepositorySettings",
    "ScimSettings",
    "SealSettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
    "config_file",
    "load",
    "named_tables",
    "setting_keys",
    "settings_text",
    "settings_with_origin",
    "shipped_policies",
]
