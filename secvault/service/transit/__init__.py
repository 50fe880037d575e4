"""Operations of the encryption API: mounts, named keys, and what is done with them."""

from secvault.keyring.encryption import Encrypted, ToDecrypt, ToEncrypt
from secvault.keyring.named_key import KeyOptions
from secvault.keyring.signing import Signed, ToSign, ToVerify
from secvault.service.transit.certificates import request_certificate, set_certificate
from secvault.service.transit.data import data_key, decrypt, encrypt, rewrap
from secvault.service.transit.exchange import (
    backup_key,
    export_key,
    import_key,
    import_version,
    restore_key,
    wrapping_public_key,
)
from secvault.service.transit.keys import (
    configure_key,
    create_key,
    delete_key,
    list_keys,
    publics_of_context,
    read_key,
    rotate_key,
    set_soft_deleted,
    trim_key,
)
from secvault.service.transit.mounts import (
    Leases,
    disable_mount,
    enable_mount,
    list_mounts,
    mount_over,
    move_mount,
    note_own_capabilities,
    operation_on_mount,
    read_mount,
    read_move,
    tune_mount,
)
from secvault.service.transit.outside import derive_key, export_wrapped
from secvault.service.transit.place import operation_on
from secvault.service.transit.protection import KeyChanges
from secvault.service.transit.settings import configure_mount
from secvault.service.transit.signatures import (
    authenticate,
    hash_data,
    random_bytes,
    sign,
    verify,
    verify_codes,
)

__all__ = [
    "Encrypted",
    "KeyChanges",
    "KeyOptions",
    "Leases",
    "Signed",
    "ToDecrypt",
    "ToEncrypt",
    "ToSign",
    "ToVerify",
    "authenticate",
    "backup_key",
    "configure_key",
    "configure_mount",
    "create_key",
    "data_key",
    "decrypt",
    "delete_key",
    "derive_key",
    "disable_mount",
    "enable_mount",
    "encrypt",
    "export_key",
    "export_wrapped",
    "hash_data",
    "import_key",
    "import_version",
    "list_keys",
    "list_mounts",
    "mount_over",
    "move_mount",
    "note_own_capabilities",
    "operation_on",
    "operation_on_mount",
    "publics_of_context",
    "random_bytes",
    "read_key",
    "read_mount",
    "read_move",
    "request_certificate",
    "restore_key",
    "rewrap",
    "rotate_key",
    "set_certificate",
    "set_soft_deleted",
    "sign",
    "trim_key",
    "tune_mount",
    "verify",
    "verify_codes",
    "wrapping_public_key",
]
