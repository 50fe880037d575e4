"""What can be said of policy files where there is no vault."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import inspect

from secvault.access.bundle import Bundle, read_folder
from secvault.access.casbin_import import Imported, Words
from secvault.access.casbin_import import import_casbin as imported
from secvault.access.difference import Difference, difference
from secvault.config import Settings
from secvault.service.policies.first import Folder, look_at_folder
from secvault.service.policies.planning import parsed_input
from secvault.store import open_store
from secvault.store.tables import policy_version


def compare(before: Bundle, after: Bundle) -> Difference:
    """What each role gains and loses. Raises InvalidInput with the faults of the files."""
    return difference(parsed_input(before).rules, parsed_input(after).rules, ())


def folder_state(settings: Settings) -> Folder | None:
    """The policies folder against what is in force, without opening the vault; None when there is
    no store yet. Raises Unavailable, Damaged.
    """
    store = open_store(settings.store_url)
    try:
        with store.read() as connection:
            if not inspect(connection).has_table(policy_version.name):
                return None
            return look_at_folder(settings, connection)
    finally:
        store.close()


def import_casbin(
    model: str,
    policy: str,
    actions: Mapping[str, str],
    objects: Mapping[str, str],
    departments: Mapping[str, str],
    department: str,
    folder: Path,
) -> Imported:
    """See `access.casbin_import`. folder: whose collections the rows are about.

    Raises InvalidInput for a model that cannot be taken over, ConfigurationError for the folder.
    """
    rules = parsed_input(read_folder(folder)).rules
    words = Words(actions, objects, departments, department)
    return imported(model, policy, words, rules.fields, rules.collections)
