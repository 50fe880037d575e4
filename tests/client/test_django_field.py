"""The encrypted field of Django, on SQLite, sealed by secvault and OpenBao."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.conf import settings
from django.core import serializers
from django.core.exceptions import FieldError
from django.db import connection, models
from django.db.migrations import Migration
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.questioner import NonInteractiveMigrationQuestioner
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter
from django.test.utils import override_settings

from secvault.client import BadRequest, Client, WrongUse
from secvault.client.django import EncryptedTextField, opened_in_bulk, sealed_in_bulk
from tests.client.conftest import Server
from tests.client.test_sqlalchemy_columns import Counted, counted

__all__ = ["counted"]

KEY = "sdk-django"
TAX = "0312345678"

if not settings.configured:
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    )
    django.setup()


class Employee(models.Model):
    """A model with encrypted fields."""

    name = models.TextField(default="")
    tax = EncryptedTextField(key=KEY)
    phone = EncryptedTextField(key=KEY, null=True)
    old_phone = EncryptedTextField(key=KEY, null=True, place="staff_employee.phone")

    class Meta:
        """Where it belongs."""

        app_label = "staff"


@pytest.fixture
def staff(counted: Counted) -> Iterator[Counted]:
    """The table, and a client that the settings name."""
    counted.client.create_key(KEY)
    with override_settings(SECVAULT_CLIENT=lambda: counted.client):
        with connection.schema_editor() as editor:
            editor.create_model(Employee)
        yield counted
        with connection.schema_editor() as editor:
            editor.delete_model(Employee)


def stored(column: str) -> list[Any]:
    """What the database holds."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM staff_employee ORDER BY id')
        return [row[0] for row in cursor.fetchall()]


def test_values_are_ciphertexts_in_the_database_and_come_back(staff: Counted) -> None:
    made = Employee.objects.create(tax=TAX, phone=None)
    assert stored("tax")[0].startswith("vault:v1:")
    assert stored("phone") == [None]
    read = Employee.objects.get(pk=made.pk)
    assert (read.tax, read.phone) == (TAX, None)
    read.tax = "changed"
    read.save()
    Employee.objects.filter(pk=made.pk).update(phone="1")
    assert list(Employee.objects.values_list("tax", "phone")) == [("changed", "1")]


def test_a_ciphertext_moved_to_another_column_opens_only_where_its_place_is_stated(
    staff: Counted,
) -> None:
    made = Employee.objects.create(tax=TAX, phone="+84")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE staff_employee SET old_phone = phone, phone = tax")
    assert Employee.objects.only("old_phone").get(pk=made.pk).old_phone == "+84"
    with pytest.raises(BadRequest):
        Employee.objects.get(pk=made.pk)


def test_many_rows_are_written_and_read_with_a_request_for_each_field(
    staff: Counted, server: Server
) -> None:
    rows = [Employee(tax=f"{n % 3}", phone=str(n)) for n in range(300)]
    batches = -(-300 // server.batch.items)
    with (
        staff.exactly(2 * batches),
        sealed_in_bulk(Employee.tax, [row.tax for row in rows]),
        sealed_in_bulk(Employee._meta.get_field("phone"), [row.phone for row in rows]),
    ):
        Employee.objects.bulk_create(rows)
    assert len(set(stored("tax"))) == 300
    everyone = Employee.objects.order_by("pk")
    # Of old_phone there is nothing to open.
    with staff.exactly(2 * batches), opened_in_bulk(everyone):
        read = [(row.tax, row.phone) for row in everyone]
    assert read == [(f"{n % 3}", str(n)) for n in range(300)]
    page = Employee.objects.filter(pk__gt=0).order_by("pk")[10:20]
    with staff.exactly(2), opened_in_bulk(page):
        assert [row.phone for row in page] == [str(n) for n in range(10, 20)]


def test_a_bulk_update_encrypts(staff: Counted) -> None:
    rows = [Employee.objects.create(tax=str(n)) for n in range(3)]
    for row in rows:
        row.tax = f"new {row.tax}"
    Employee.objects.bulk_update(rows, ["tax"])
    assert all(each.startswith("vault:v1:") for each in stored("tax"))
    assert [row.tax for row in Employee.objects.order_by("pk")] == ["new 0", "new 1", "new 2"]


def test_only_isnull_can_be_asked(staff: Counted) -> None:
    Employee.objects.create(tax=TAX)
    assert Employee.objects.filter(phone__isnull=True).count() == 1
    for asked in ("tax", "tax__exact", "tax__in", "tax__contains", "tax__gt", "tax__lower__exact"):
        with pytest.raises(FieldError, match="only isnull"):
            Employee.objects.filter(**{asked: TAX}).count()


@pytest.mark.parametrize("option", ["unique", "db_index", "primary_key"])
def test_options_that_compare_ciphertexts_are_refused(option: str) -> None:
    with pytest.raises(WrongUse, match=option):
        EncryptedTextField(key=KEY, **{option: True})


def test_a_fixture_is_not_written_in_clear(staff: Counted) -> None:
    Employee.objects.create(tax="a hidden value")
    with pytest.raises(WrongUse) as raised:
        serializers.serialize("json", Employee.objects.all())
    assert "hidden" not in str(raised.value)


def test_migrations_are_written_once_and_make_the_table(counted: Counted) -> None:
    empty = ProjectState()
    written = _migration(empty)
    assert written is not None
    content = MigrationWriter(written).as_string()
    assert f"secvault.client.django.EncryptedTextField(key='{KEY}')" in content
    assert "place='staff_employee.phone'" in content
    namespace: dict[str, Any] = {}
    exec(content, namespace)
    migration: Migration = namespace["Migration"]("0001_initial", "staff")
    counted.client.create_key(KEY)
    with override_settings(SECVAULT_CLIENT=lambda: counted.client):
        with connection.schema_editor() as editor:
            reached = migration.apply(empty.clone(), editor)
        # A data migration has a model of its own, bound to the same places.
        historical = reached.apps.get_model("staff", "Employee")
        historical.objects.create(tax=TAX)
        assert Employee.objects.get().tax == TAX
        with connection.schema_editor() as editor:
            editor.delete_model(Employee)
    assert _migration(reached) is None


def _migration(before: ProjectState) -> Migration | None:
    """What `makemigrations` finds to do."""
    after = ProjectState()
    after.add_model(ModelState.from_model(Employee))
    detector = MigrationAutodetector(before, after, NonInteractiveMigrationQuestioner())
    changes = detector._detect_changes()
    return changes["staff"][0] if changes else None


def test_without_a_setting_the_client_comes_from_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECVAULT_ADDR", server.address)
    monkeypatch.setenv("SECVAULT_TOKEN", server.token)
    field: Any = Employee._meta.get_field("tax")
    with override_settings(SECVAULT_CLIENT="tests.client.test_django_field.made_client"):
        assert field.sealing().client is field.sealing().client
    with override_settings(SECVAULT_CLIENT=lambda: "no client"), pytest.raises(WrongUse):
        field.sealing()


def made_client() -> Client:
    """Named by a setting."""
    return Client()
