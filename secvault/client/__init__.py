"""The Python client of secvault, and of any Vault or OpenBao transit engine.

    from secvault.client import Client

    with Client() as vault:  # SECVAULT_ADDR, SECVAULT_TOKEN
        ciphertext = vault.encrypt("payroll", "31500000", associated_data="payslips.net/42")
        assert vault.decrypt_text("payroll", ciphertext, associated_data="payslips.net/42") == ...

`Client` blocks, `AsyncClient` is awaited; both have the same methods. `encrypt_many` and its like
give a result for each item; `Gathering` and `AsyncGathering` make batches of single calls that come
at the same time. Requests have time-outs and are tried again where that is safe. Needs httpx2 and
msgspec, and nothing else of secvault. `secvault.client.sqlalchemy` and `secvault.client.django`
have columns that are encrypted on their way to the database. Start reading at `client`.
"""

from secvault.client.approle import AppRole
from secvault.client.call import BatchSize
from secvault.client.client import AsyncClient, Client
from secvault.client.errors import (
    BadRequest,
    ClientError,
    Conflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    Refusal,
    Sealed,
    ServerFault,
    TooLarge,
    TooMany,
    Unexpected,
    Unreachable,
    VersionMismatch,
    WrongUse,
)
from secvault.client.gathering import AsyncGathering, Gathering
from secvault.client.item import Done, Failed, ToDecrypt, ToEncrypt, ToVerify, value_of, values_of
from secvault.client.keys import Key
from secvault.client.records import Record, RecordPage
from secvault.client.retry import Retry
from secvault.client.secret import Secret
from secvault.client.transit import DataKey

__all__ = [
    "AppRole",
    "AsyncClient",
    "AsyncGathering",
    "BadRequest",
    "BatchSize",
    "Client",
    "ClientError",
    "Conflict",
    "DataKey",
    "Done",
    "Failed",
    "Gathering",
    "Key",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "Record",
    "RecordPage",
    "Refusal",
    "Retry",
    "Sealed",
    "Secret",
    "ServerFault",
    "ToDecrypt",
    "ToEncrypt",
    "ToVerify",
    "TooLarge",
    "TooMany",
    "Unexpected",
    "Unreachable",
    "VersionMismatch",
    "WrongUse",
    "value_of",
    "values_of",
]
