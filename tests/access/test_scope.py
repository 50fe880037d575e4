"""Scopes: what they leave is never more, and what they do not name they do not limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.access.rows import Case
from secvault.access.scope import admits, admits_department, is_scope, scope, words_of
from secvault.errors import InvalidInput

ACTIONS = ["data.encrypt", "data.decrypt", "record.read"]
DEPARTMENTS = ["hr", "it"]
OBJECTS = ["transit/payroll", "transit/other", "payroll"]
chosen = st.tuples(
    *(st.lists(st.sampled_from(each), unique=True) for each in (ACTIONS, DEPARTMENTS, OBJECTS))
)
cases = st.builds(
    Case,
    st.just("svc:1"),
    st.sampled_from(DEPARTMENTS),
    st.sampled_from(OBJECTS),
    st.just("*"),
    st.sampled_from(ACTIONS),
)


@given(chosen, cases)
def test_a_scope_admits_exactly_what_fits_each_sort_that_it_names(
    said: tuple[list[str], list[str], list[str]], case: Case
) -> None:
    actions, departments, objects = said
    layer = scope(actions, departments, objects)
    fits = (
        (not actions or case.action in actions)
        and (not departments or case.department in departments)
        and (not objects or case.object in objects)
    )
    if layer is None:
        assert not any(said)
        return
    assert is_scope(layer)
    assert admits(layer, case) is fits
    assert admits_department(layer, case.department) is (
        not departments or case.department in departments
    )
    assert len(words_of([layer])) == sum(map(len, said))


@pytest.mark.parametrize("layer", [frozenset(), {"role:it.admin"}, {"action:x", "role:it.admin"}])
def test_layers_of_roles_are_none(layer: frozenset[str]) -> None:
    assert not is_scope(frozenset(layer))


def test_a_scope_of_too_many_words_is_refused() -> None:
    with pytest.raises(InvalidInput):
        scope(objects=[f"transit/k{number}" for number in range(33)])
