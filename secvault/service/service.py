"""The open service: its parts, held together for as long as it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from secvault.access import Policy
from secvault.access.authzen import Names
from secvault.access.separation import Separation
from secvault.audit.archives import Archives
from secvault.audit.log import AuditLog
from secvault.backup.engine import BackupEngine
from secvault.clock import Clock
from secvault.config import Settings
from secvault.crypto.aead import Random
from secvault.identity.oidc.provider import Provider
from secvault.identity.sign_in import Entrance
from secvault.keyring import Keyring
from secvault.keyring.key_usage import KeyUsage
from secvault.keyring.message_count import MessageCount
from secvault.nursery import Nursery
from secvault.records.attachment_storage import Storage
from secvault.records.collection import Collection
from secvault.service.approvals import Approvers
from secvault.service.sealing.access import RootAccess
from secvault.service.signing import SigningKeys
from secvault.service.spine import Spine
from secvault.store import Store


@dataclass(frozen=True)
class Service:
    """What the operations work with. Made by `secvault.service.opening.opened`."""

    settings: Settings
    clock: Clock
    random: Random
    store: Store
    keyring: Keyring
    messages: MessageCount
    usage: KeyUsage
    audit: AuditLog
    policy: Policy
    approvers: Approvers
    entrance: Entrance
    signing: SigningKeys
    backups: BackupEngine
    spine: Spine
    root_access: RootAccess
    attachments: Storage
    archives: Archives
    providers: Mapping[str, Provider] = field(default_factory=dict)
    nursery: Nursery | None = None

    @property
    def collections(self) -> Mapping[str, Collection]:
        """The collections of the policy in force, by name. Raises Unavailable."""
        return self.policy.in_force().collections

    @property
    def separation(self) -> Separation:
        """What nobody may have together, by the policy in force. Raises Unavailable."""
        return self.policy.in_force().separation

    @property
    def names(self) -> Names:
        """What other programs call things, by the policy in force. Raises Unavailable."""
        return self.policy.in_force().names
