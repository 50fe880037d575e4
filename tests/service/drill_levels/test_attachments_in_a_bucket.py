"""Files of records in a bucket are not in the backup: they are read where they lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from secvault.records import attachment_rows
from secvault.store.tables import attachment
from tests.conftest import S3Server
from tests.service.drill_levels.saved_house import codes, drilled, fact, saved

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("quick_repositories")]


def test_the_copy_opens_them_there_and_misses_only_what_the_live_vault_keeps(
    s3_server: S3Server, tmp_path: Path
) -> None:
    bucket = s3_server.new_bucket()
    house = saved(
        tmp_path / "house",
        {
            "SECVAULT_ATTACHMENTS__LOCATION": f"s3:{s3_server.endpoint}/{bucket}",
            "SECVAULT_ATTACHMENTS__ACCESS_KEY_ID": s3_server.access_key,
            "SECVAULT_ATTACHMENTS__SECRET_ACCESS_KEY": s3_server.secret_key,
        },
    )
    with house.open() as service:
        with drilled(service, tmp_path / "first") as drill:
            result = drill.vault()
        assert (result.verdict, fact(result, "attachments-decrypted")) == ("passed", 1)
        assert any("bucket" in one for one in result.not_tested)

        client = s3_server.client()
        for one in client.list_objects_v2(Bucket=bucket)["Contents"]:
            client.delete_object(Bucket=bucket, Key=one["Key"])
        with drilled(service, tmp_path / "second") as drill:
            result = drill.vault()
        assert codes(result) == ["field-unreadable"]
        assert result.faults[0].where == "attachment contracts/ct-1/document"

        # The live vault does not keep it any more: then it may be gone.
        with service.store.write() as connection:
            connection.execute(
                update(attachment).values(state=attachment_rows.UNUSED, wrapped_key=None)
            )
        with drilled(service, tmp_path / "third") as drill:
            assert codes(drill.vault()) == []
