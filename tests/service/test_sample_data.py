"""The sample back office: one administrator loads it, two are told why not."""

from __future__ import annotations

import pytest

from secvault.errors import Conflict
from secvault.service import Service, sample_data, systems
from tests.running_service import House
from tests.service.approval_house import staffed


def test_where_two_must_agree_the_sample_is_refused_plainly_before_anything_is_made(
    service: Service, house: House
) -> None:
    staff = staffed(service, house)
    staff.hire("binh")
    before = systems.list_accounts(service, staff.an)
    with pytest.raises(Conflict, match="a vault of its own"):
        sample_data.load_sample(service, staff.an, lambda _stored, _of: None)
    assert systems.list_accounts(service, staff.an) == before
