"""What the protocol reads and writes: people and groups of one provider, in one transaction."""

from __future__ import annotations

from typing import Any, cast

from scim2_models import Resource, ResourceType, SearchRequest
from scim2_models.path import CompareOperator, Comparison
from scim2_server.storage import ScimStorage, SearchPage

from secvault.service.scim.description import LARGEST_PAGE, Group, User
from secvault.service.scim.groups import Groups
from secvault.service.scim.people import People

_QUICK = {"username": "userName", "externalid": "externalId"}


class ProviderStorage(ScimStorage):
    """See the library's ScimStorage. writing: whether what is read is held for a change."""

    def __init__(self, people: People, groups: Groups, *, writing: bool) -> None:
        self._people = people
        self._groups = groups
        self._writing = writing

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: Any = None,  # noqa: ARG002 - the library's signature
    ) -> Resource[Any]:
        """One resource. Raises NotFoundException."""
        return self._of(resource_type).get(resource_id, hold=self._writing)

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: Any = None,  # noqa: ARG002 - the library's signature
    ) -> SearchPage:
        """A page of what fits. Without a filter, or by name, the database does the work."""
        skip = (search_request.start_index or 1) - 1
        wanted = LARGEST_PAGE if search_request.count is None else search_request.count
        asked = search_request.filter
        if asked is None and len(resource_types) == 1:
            kept = self._of(resource_types[0])
            return SearchPage(kept.count(), list(kept.page(skip, wanted)))
        found: list[Resource[Any]] = []
        for each in resource_types:
            quick = self._quickly(each, asked)
            found += self._of(each).page(0, None) if quick is None else quick
        fitting = [each for each in found if asked is None or asked.match(each)]
        return SearchPage(len(fitting), fitting[skip : skip + wanted])

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Make a resource."""
        if resource_type.name == "User":
            return self._people.create(cast("User", resource))
        return self._groups.create(cast("Group", resource))

    def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        """Put a resource in the place of the one that is there."""
        if resource_type.name == "User":
            return self._people.update(cast("User", resource), expected_version)
        return self._groups.update(cast("Group", resource), expected_version)

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        """Let go of a resource."""
        self._of(resource_type).delete(resource_id, expected_version)

    def _of(self, resource_type: ResourceType) -> People | Groups:
        return self._people if resource_type.name == "User" else self._groups

    def _quickly(self, resource_type: ResourceType, asked: Any) -> list[User] | None:
        """The people that a filter such as `userName eq "mai"` can mean; None for other filters."""
        node = None if asked is None else asked.ast
        if resource_type.name != "User" or not isinstance(node, Comparison):
            return None
        attribute = _QUICK.get(str(node.attr_path.attr).lower())
        plain = node.op is CompareOperator.eq and isinstance(node.value, str)
        if attribute is None or not plain or node.attr_path.sub_attr is not None:
            return None
        return list(self._people.named(attribute, str(node.value)))
