"""What a staged copy holds beside the database: files of policies, contents of attachments."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from secvault.backup.contents import CONTENTS, stage_contents
from secvault.errors import BackupFailed
from secvault.service.recovering import place as places
from secvault.service.recovering.place import Place

_POLICIES = "policies"


def bring_policies(staged: Path, saved: Mapping[str, Any], place: Place) -> bool:
    """Put the policies' files beside the data; whether the copy has any. What is in force is in
    the database. Raises BackupFailed.
    """
    name = Path(str(saved.get("policies") or _POLICIES)).name
    source = staged / name
    if not source.is_dir():
        return False
    places.remove(place.policies)
    try:
        shutil.copytree(source, place.policies, symlinks=True)
    except (OSError, shutil.Error):
        raise BackupFailed(f"{place.policies} cannot be written") from None
    return True


def bring_attachments(staged: Path, place: Place) -> int:
    """Put the contents of attachments into the data folder; how many files. Raises BackupFailed."""
    source, target = staged / CONTENTS, place.data / CONTENTS
    if not source.is_dir():
        return 0
    places.remove(target)
    try:
        stage_contents(source, target)
    except (OSError, shutil.Error):
        raise BackupFailed(f"{target} cannot be written") from None
    return sum(1 for file in target.rglob("*") if file.is_file())


def lie_elsewhere(saved: Mapping[str, Any]) -> bool:
    """Whether the contents of attachments lie in a bucket, of which a backup has none."""
    location = str(saved.get("attachments", {}).get("location", ""))
    return bool(location) and not location.startswith("/")
