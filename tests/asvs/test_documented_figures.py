"""The figures of docs/explanation/authentication.md are those of the program."""

from __future__ import annotations

from annotated_types import Le

from secvault.config import Settings
from secvault.identity import approle_log_in, guessable, passwords, places, resync, sessions
from secvault.identity.blocklist import LARGEST_FILE
from secvault.identity.challenges import CHALLENGE_BYTES
from secvault.identity.recovery_codes import CODES
from secvault.identity.throttle import AttemptLimits
from secvault.identity.totp import SEED_BYTES
from tests.asvs.requirements_map import ROOT


def test_the_figures_of_the_document_are_those_of_the_program() -> None:
    limits, systems, given = AttemptLimits(), approle_log_in.LIMITS, Settings().identity
    network = places.NetworkLimits()
    (longest_idle,) = (
        limit.le
        for limit in type(given).model_fields["session_idle_minutes"].metadata
        if isinstance(limit, Le)
    )
    said = [
        f"from the {limits.free}rd on a wait of {limits.delay(3)}, {limits.delay(4)}, ... seconds",
        f"up to {limits.longest_delay // 60} minutes",
        f"the same waits; {limits.lock_after} lock it",
        f"after {systems.free} failures a wait of a minute each",
        f"{given.network_failures} failures, one forgotten every {network.forget_seconds} seconds",
        f"within {places.KNOWN_SECONDS // 86_400} days their failures",
        f"| {resync.MOST_A_DAY} a day |",
        f"At least {passwords.SHORTEST} characters",
        f"up to {passwords.LONGEST}, where 64",
        f"10^{len(str(guessable.LEAST_GUESSES)) - 1} guesses",
        f"{LARGEST_FILE >> 20} MiB at most",
        f"| {given.session_idle_minutes} minutes | up to {longest_idle // 60} hours |",
        f"| {given.session_hours} hours, a working day | up to 24 hours |",
        f"| {sessions.RECOVERY_SECONDS // 60} minutes at all |",
        f"{Settings().sign_in.sessions_per_person} sessions a person",
        f"Seeds of {SEED_BYTES * 8} random bits",
        f"a challenge of {CHALLENGE_BYTES * 8} bits",
    ]
    text = (ROOT / "docs/explanation/authentication.md").read_text("utf-8")
    flat = " ".join(text.split())
    assert [each for each in said if each not in flat] == []
    assert (CODES, "Ten of 125 random bits" in flat) == (10, True)
    assert systems.longest_delay == 60
