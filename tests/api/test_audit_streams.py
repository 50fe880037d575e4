"""Streams and alerts over HTTP: who sees them, who tries one out, who acknowledges."""

from __future__ import annotations

from secvault.audit.detection import alerts
from secvault.audit.detection.rules import Alert
from secvault.config.audit import AuditSettings
from secvault.config.streams import StreamSettings
from secvault.service import Service, stream_delivery
from tests.audit.streams.receivers import syslog_receiver
from tests.running_service import Front, House


def test_administrators_and_auditors_see_streams_and_only_administrators_try_them_out(
    front: Front, house: House
) -> None:
    with syslog_receiver(None) as receiver:

        def streaming(service: Service) -> Service:
            streams = {"siem": StreamSettings(address=f"tcp://127.0.0.1:{receiver.port}")}
            changed = service.settings.model_copy(update={"audit": AuditSettings(streams=streams)})
            object.__setattr__(service, "settings", changed)
            stream_delivery.look_after(service)
            return service

        with front.serving(house, streaming) as api:
            for who in ("admin", "auditor"):
                (stream,) = api.ok("GET", "/api/v1/audit/streams", who)["streams"]
                assert (stream["name"], stream["target"], stream["state"]) == (
                    "siem",
                    "syslog",
                    "running",
                )
            tried = api.ok("POST", "/api/v1/audit/streams/siem/test", "admin")
            assert tried["taken"] is True
            assert f'seq="{tried["seq"]}"'.encode() in receiver.got[0]
            receiver.faults = ["reset"]
            assert api("POST", "/api/v1/audit/streams/other/test", "admin").status_code == 404
            for who in ("clerk", "head"):
                assert api("GET", "/api/v1/audit/streams", who).status_code == 403
                # Nor does the answer tell them what streams there are.
                for name in ("siem", "other"):
                    answer = api("POST", f"/api/v1/audit/streams/{name}/test", who)
                    assert answer.status_code == 403
            assert api("POST", "/api/v1/audit/streams/siem/test", "auditor").status_code == 403
            assert api.ok("GET", "/health/ready")["streams"] is True


def test_an_alert_is_acknowledged_once_and_not_by_the_administrator(
    front: Front, house: House
) -> None:
    with house.open() as service, service.store.write() as connection:
        made = Alert("break_glass", "user:lan", service.clock.micros(), 7)
        raised = alerts.raise_alert(connection, made, cool_down_minutes=60)
    assert raised is not None
    with front.serving(house, lambda service: service) as api:
        (alert,) = api.ok("GET", "/api/v1/audit/alerts", "admin")["alerts"]
        assert (alert["id"], alert["rule"], alert["seq"]) == (raised.id, "break_glass", 7)
        path = f"/api/v1/audit/alerts/{raised.id}/acknowledgement"
        assert api("POST", path, "admin").status_code == 403
        assert api("GET", "/api/v1/audit/alerts", "clerk").status_code == 403
        done = api.ok("POST", path, "auditor")
        assert done["acknowledged_by"].startswith("user:")
        assert api("POST", path, "auditor").status_code == 409
        assert api.ok("GET", "/api/v1/audit/alerts", "auditor")["alerts"] == []
        (kept,) = api.ok("GET", "/api/v1/audit/alerts?all=true", "auditor")["alerts"]
        assert kept == done
