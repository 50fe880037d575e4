"""Records through the client, on a running secvault."""

from __future__ import annotations

import secrets

import pytest

from secvault.client import BadRequest, Client, Conflict, NotAllowed, NotFound, VersionMismatch
from tests.acceptance.installation import payslip
from tests.client.conftest import Server
from tests.service.test_record_release import TAX

pytestmark = pytest.mark.slow


def test_a_record_is_created_read_listed_and_changed_in_the_version_that_was_seen(
    secvault_server: Server,
) -> None:
    name = f"pay-{secrets.token_hex(4)}"
    with Client(secvault_server.address, secvault_server.head) as vault:
        made = vault.create_record("payroll", payslip(), record=name)
        assert (made.id, made.version) == (name, 1)
        read = vault.read_record("payroll", name)
        assert read == made
        assert "0071000123456" not in repr(read)
        changed = vault.update_record("payroll", name, {"bank": "ACB"}, version=read.version)
        assert (changed.version, changed.fields["bank"]) == (2, "ACB")
        assert vault.read_field("payroll", name, "bank") == "ACB"
        with pytest.raises(VersionMismatch) as raised:
            vault.update_record("payroll", name, {"bank": "BIDV"}, version=read.version)
        assert raised.value.request_id
        assert name in [each.id for each in vault.list_records("payroll", limit=200).records]
        with pytest.raises(Conflict):
            vault.create_record("payroll", payslip(), record=name)


def test_what_is_not_there_or_not_valid_says_so(secvault_server: Server) -> None:
    with Client(secvault_server.address, secvault_server.head) as vault:
        with pytest.raises(NotFound):
            vault.read_record("payroll", "none-such")
        with pytest.raises(BadRequest) as raised:
            vault.create_record("payroll", {"no_such_field": 1})
        assert raised.value.status == 422
        assert "no_such_field" in str(raised.value)


def test_a_record_is_approved_in_the_version_that_was_seen_by_somebody_else(
    secvault_server: Server,
) -> None:
    name = f"vat-{secrets.token_hex(4)}"
    address = secvault_server.address
    with (
        Client(address, secvault_server.head) as maker,
        Client(address, secvault_server.second) as other,
    ):
        made = maker.create_record("tax_filings", TAX, record=name)
        assert made.release is not None
        assert made.release.state == "draft"
        with pytest.raises(NotAllowed):
            maker.approve_record("tax_filings", name, version=1)
        with pytest.raises(VersionMismatch):
            other.approve_record("tax_filings", name, version=2)
        approved = other.approve_record("tax_filings", name, version=1)
        assert approved.release is not None
        assert approved.release.state == "approved"
        assert maker.read_record("tax_filings", name).release == approved.release
        with pytest.raises(Conflict):
            other.approve_record("tax_filings", name, version=1)
        changed = maker.update_record("tax_filings", name, {"period": "2026-12"}, version=1)
        assert changed.release is not None
        assert changed.release.state == "draft"
