"""The places outside of this installation that hold the log's checkpoints, for reports."""

from __future__ import annotations

from secvault.audit import publication, witnesses
from secvault.audit.reports.document import Outside
from secvault.service.service import Service

WITNESS, PUBLICATION = "witness", "publication"


def outside_of(service: Service) -> tuple[Outside, ...]:
    """Every publication and witness that the settings name, by name; what is known of it here."""
    asked = {one.name: one for one in witnesses.states(service.store)}
    with service.store.read() as connection:
        published = tuple(
            (name, publication.state_of(connection, name))
            for name in sorted(service.settings.audit.published)
        )
    return (
        *(
            Outside(PUBLICATION, name, state.size, state.published_at or None, state.fault)
            for name, state in published
        ),
        *(
            Outside(WITNESS, name, one.size, one.cosigned_at, one.reason or "")
            if (one := asked.get(name)) is not None
            else Outside(WITNESS, name, 0, None)
            for name in sorted(service.settings.audit.witnesses)
        ),
    )
