"""Streams and alerts from the command line."""

from __future__ import annotations

from tests.audit.streams.receivers import syslog_receiver
from tests.cli.program import Program


def test_a_stream_is_listed_and_tried_out(vault: Program) -> None:
    assert "There is no stream" in vault.ok("audit", "streams").err
    with syslog_receiver(None) as receiver:
        there = vault.with_(
            SECVAULT_AUDIT__STREAMS__SIEM__ADDRESS=f"tcp://127.0.0.1:{receiver.port}"
        )
        (stream,) = there.ok("audit", "streams", "--json").json["streams"]
        assert (stream["name"], stream["target"], stream["state"]) == ("siem", "syslog", "new")
        assert "was acknowledged" in there.ok("audit", "streams", "test", "siem").out
        assert b'kind="stream.test"' in receiver.got[0]
    gone = there("audit", "streams", "test", "siem")
    assert gone.code == 1
    assert "siem: unreachable" in gone.err
    assert there("audit", "streams", "test", "other").code == 1


def test_what_would_send_the_log_in_clear_is_refused_by_name(vault: Program) -> None:
    said = vault.with_(SECVAULT_AUDIT__STREAMS__SIEM__ADDRESS="tcp://siem.example.com:514")(
        "audit", "streams"
    )
    assert said.code == 2
    assert "in clear" in said.err


def test_alerts_are_listed_and_an_unknown_one_is_named(vault: Program) -> None:
    assert "No alert is open" in vault.ok("audit", "alerts").err
    assert vault.ok("audit", "alerts", "--all", "--json").json["alerts"] == []
    assert "no alert with this id" in vault("audit", "alerts", "acknowledge", "0" * 32).err
