"""Loading the sample back office, with a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secvault.cli import operations, progress

if TYPE_CHECKING:
    from secvault.service.service import Service
    from secvault.service.spine import Caller


def load(service: Service, caller: Caller) -> int:
    """Store the sample records and return how many. Raises Conflict when they are there already."""
    with progress.of_count("Sample records") as so_far:
        return operations.sample_data.load_sample(service, caller, so_far)
