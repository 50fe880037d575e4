"""What a policy must pass, beyond being well formed, before it can be applied."""

from __future__ import annotations

from collections.abc import Callable

from secvault.access.bundle import TESTS, Bundle
from secvault.access.conflicts import role_conflicts
from secvault.access.policytest import check_policy_tests
from secvault.access.separation import Mode
from secvault.errors import ConfigurationError
from secvault.service.policies.published import parse_bundle

Check = Callable[[Bundle], None]
"""Returns when the bundle passes; raises ConfigurationError with what does not."""


def tests_pass(bundle: Bundle) -> None:
    """Return when the policy passes the tests that it brings, if any."""
    if not bundle.inside(TESTS):
        return
    policy = parse_bundle(bundle)
    report = check_policy_tests(bundle.files, policy.rules.fields, policy.rules.collections)
    faults = report.faults(min_coverage=0, min_score=0)
    if faults:
        raise ConfigurationError(f"tests: {faults[0]}; see `secvault policy test`")


def no_role_breaks_a_rule_alone(bundle: Bundle) -> None:
    """Return when every role can be given without breaking what separation.toml denies."""
    policy = parse_bundle(bundle)
    found = [
        conflict
        for conflict in role_conflicts(policy.rules, policy.separation)
        if conflict.mode is Mode.DENY
    ]
    if found:
        raise ConfigurationError(
            f"separation.toml: {found[0].subject} breaks the rule {found[0].rule} by itself, so "
            "that nobody could be given it"
        )


CHECKS: tuple[Check, ...] = (no_role_breaks_a_rule_alone, tests_pass)
"""Every check, in order: add one here, and no bundle is applied that fails it."""


def failures(bundle: Bundle) -> tuple[str, ...]:
    """What each check that fails has to say."""
    found = []
    for check in CHECKS:
        try:
            check(bundle)
        except ConfigurationError as error:
            found.append(error.detail)
    return tuple(found)
