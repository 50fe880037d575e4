"""The webhook: signed as Standard Webhooks wants it, acknowledged by 2xx and nothing else."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest

from secvault.audit.leaf import StoredEvent
from secvault.audit.streams.batch import Batch, Undelivered, hash_of
from secvault.audit.streams.syslog import trust_of
from secvault.audit.streams.webhook import Webhook, signature, signing_key
from secvault.clock import Clock
from secvault.crypto.secret import Secret
from secvault.errors import ConfigurationError
from tests.audit.streams.receivers import Identity, webhook_receiver

Stored = Callable[[int], StoredEvent]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CLOCK = Clock(lambda: 1_790_000_000_000_000, lambda: 0.0, lambda _: None)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    # standardwebhooks.com, and the test of its reference libraries.
    key = signing_key(SECRET, "secret_file")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_?"])
def test_a_secret_that_is_none_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="secret_file") as refused:
        signing_key(text, "audit.streams.siem.secret_file")
    assert text not in str(refused.value)


def test_a_batch_is_posted_once_signed_with_the_exact_leaves(
    receiver_identity: Identity, stored: Stored
) -> None:
    batch = Batch("siem", (stored(5), stored(6)), "json")
    with webhook_receiver(receiver_identity) as hook:
        sender = Webhook(
            f"https://127.0.0.1:{hook.port}/in",
            signing_key(SECRET, "s"),
            CLOCK,
            lambda: trust_of("siem", receiver_identity.certificate, None, None),
            authorization=Secret.of("Splunk abc"),
        )
        sender.deliver(batch)
        sender.deliver(batch)
    (headers, body), (again, _) = hook.got
    key = Secret(base64.b64decode(SECRET.removeprefix("whsec_")))
    signed = signature(key, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == signed
    assert headers["webhook-timestamp"] == "1790000000"
    assert headers["authorization"] == "Splunk abc"
    assert headers["webhook-id"] == again["webhook-id"], "the same batch has the same id"
    said = json.loads(body)
    assert (said["type"], said["data"]["first"], said["data"]["last"]) == ("audit.events", 5, 6)
    for entry, event in zip(said["data"]["events"], batch.events, strict=True):
        assert entry["leaf_hash"] == hash_of(event)
        assert (entry["seq"], entry["id"]) == (event.seq, event.id)
        assert event.body in body


@pytest.mark.parametrize("status", [301, 400, 410, 500, 503])
def test_any_other_answer_acknowledges_nothing_and_no_redirect_is_followed(
    stored: Stored, status: int
) -> None:
    with webhook_receiver() as hook:
        hook.status = status
        url = f"http://127.0.0.1:{hook.port}/"
        sender = Webhook(url, signing_key(SECRET, "s"), CLOCK, None)
        with pytest.raises(Undelivered, match=f"status_{status}"):
            sender.deliver(Batch("siem", (stored(0),), "json"))
    assert hook.asked == 1
    with pytest.raises(Undelivered, match="unreachable"):
        sender.deliver(Batch("siem", (stored(0),), "json"))


def test_a_server_of_another_ca_gets_nothing(
    receiver_identity: Identity, another_identity: Identity, stored: Stored
) -> None:
    with webhook_receiver(receiver_identity) as hook:
        sender = Webhook(
            f"https://127.0.0.1:{hook.port}/",
            signing_key(SECRET, "s"),
            CLOCK,
            lambda: trust_of("siem", another_identity.certificate, None, None),
        )
        with pytest.raises(Undelivered):
            sender.deliver(Batch("siem", (stored(0),), "json"))
    assert hook.asked == 0
