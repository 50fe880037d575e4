"""A day in each department of a back office, over HTTP, at one running service."""

import pytest

# So that what a scenario requires is told in full when it does not hold.
for _scenarios in ("analysis", "goods", "money_matters", "office", "people_matters"):
    pytest.register_assert_rewrite(f"{__name__}.{_scenarios}")
