"""Tests of a policy, written by those who answer for it: `tests/*.toml` beside `roles.csv`.

Promises: every answer that a test asks for is `decide`'s own; invariants hold over everybody and
everything that the policy can tell apart; the report says which rules no test rests on, and which
changed policies no test would notice. Needs no vault, store or clock: texts in, report out.
Start reading at `checking.check_policy_tests`; the files: docs/reference/policy-tests.md.
"""

from secvault.access.policytest.checking import check_policy_tests, policy_texts
from secvault.access.policytest.junit import junit
from secvault.access.policytest.report import Report

__all__ = ["Report", "check_policy_tests", "junit", "policy_texts"]
