"""A field for Django that is encrypted on its way to the database.

    class Employee(models.Model):
        tax_number = EncryptedTextField(key="payroll")

settings.SECVAULT_CLIENT names the function that gives the client, `"payroll.vault.client"`, or is
that function; without it a client is made of SECVAULT_ADDR and SECVAULT_TOKEN. Values are opened as
rows are fetched, one request each; `opened_in_bulk` and `sealed_in_bulk` make that one request for
many. Needs Django: `pip install secvault[client-django]`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import FieldError
from django.db.models import ExpressionWrapper, F, Model, QuerySet, TextField
from django.utils.module_loading import import_string

from secvault.client.client import Client
from secvault.client.column import Sealing, opened_ahead, sealed_ahead
from secvault.client.errors import WrongUse
from secvault.client.paths import to_bytes
from secvault.client.transit import MOUNT, text_of


class EncryptedTextField(TextField):  # type: ignore[type-arg]
    """Text, encrypted by the transit engine and bound to its table and column. None stays NULL.

    place: instead of `<table>.<column>`, if the column was renamed after data was written. Only
    `isnull` can be asked of it.
    """

    description = "Encrypted text"

    def __init__(
        self,
        *args: Any,
        key: str,
        mount: str = MOUNT,
        place: str | None = None,
        **kwargs: Any,
    ) -> None:
        for option in ("unique", "db_index", "primary_key", "db_default"):
            if kwargs.get(option):
                raise WrongUse(f"an encrypted field cannot have {option}")
        super().__init__(*args, **kwargs)
        self.key = key
        self.mount = mount
        self.place = place

    def deconstruct(self) -> Any:
        """For migrations: the key, and what is not as by default."""
        name, path, args, kwargs = super().deconstruct()
        kwargs["key"] = self.key
        if self.mount != MOUNT:
            kwargs["mount"] = self.mount
        if self.place is not None:
            kwargs["place"] = self.place
        return name, path, args, kwargs

    def sealing(self) -> Sealing:
        """How the column is encrypted."""
        place = self.place or f"{self.model._meta.db_table}.{self.column}"  # noqa: SLF001 - public
        return Sealing(_client(), self.key, self.mount, place)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        """The ciphertext, when the value is saved."""
        text = super().get_db_prep_value(value, connection, prepared)
        if text is None or hasattr(text, "as_sql"):
            return text
        return self.sealing().seal(to_bytes(text, "the value"))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:  # noqa: ARG002
        """The text of what was fetched."""
        return None if value is None else text_of(self.sealing().open(value))

    def get_lookup(self, lookup_name: str) -> Any:
        """`isnull`. Raises FieldError for all others."""
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(
            f"{self.name}: {lookup_name} cannot be asked of an encrypted field, only isnull; keep "
            "an HMAC of the value in a field beside it to find equal ones"
        )

    def get_transform(self, lookup_name: str) -> NoReturn:
        """Raises FieldError: nothing can be computed of it in the database."""
        self.get_lookup(lookup_name)
        raise FieldError(f"{self.name}: {lookup_name} is no transform of an encrypted field")

    def value_to_string(self, obj: Model) -> NoReturn:  # noqa: ARG002
        """Raises WrongUse: `dumpdata` would write the value in clear."""
        raise WrongUse(f"{self.name}: an encrypted field is not written to fixtures")


@contextmanager
def opened_in_bulk(rows: QuerySet[Any, Any]) -> Iterator[None]:
    """Inside, the rows of this queryset are opened with a request for each encrypted field.

        with opened_in_bulk(everyone):
            employees = list(everyone)

    The ciphertexts are selected beforehand, by the same query. A row that changed in between is
    opened on its own. The plaintexts are held to the block's end.
    """
    fields = [each for each in rows.model._meta.fields if isinstance(each, EncryptedTextField)]  # noqa: SLF001
    raw = {
        f"secvault_{place}": ExpressionWrapper(F(field.attname), output_field=TextField())
        for place, field in enumerate(fields)
    }
    found = list(rows.values_list() if not raw else rows.annotate(**raw).values_list(*raw))
    columns = [
        (field.sealing(), [each for row in found if (each := row[place]) is not None])
        for place, field in enumerate(fields)
    ]
    with opened_ahead(columns):
        yield


@contextmanager
def sealed_in_bulk(field: Any, values: Iterable[str | None]) -> Iterator[None]:
    """Inside, these values are written to the field with one request.

    with sealed_in_bulk(Employee.tax_number, [each.tax_number for each in employees]):
        Employee.objects.bulk_create(employees)
    """
    kind = getattr(field, "field", field)
    if not isinstance(kind, EncryptedTextField):
        raise WrongUse("not an encrypted field")
    given = [to_bytes(each, "a value") for each in values if each is not None]
    with sealed_ahead([(kind.sealing(), given)]):
        yield


def _client() -> Client:
    return _made(getattr(settings, "SECVAULT_CLIENT", None))


@functools.cache
def _made(source: str | Callable[[], Client] | None) -> Client:
    if source is None:
        return Client()
    made = import_string(source) if isinstance(source, str) else source
    client = made()
    if not isinstance(client, Client):
        raise WrongUse("settings.SECVAULT_CLIENT does not give a secvault.client.Client")
    return client
