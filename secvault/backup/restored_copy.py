"""What came back as the copy of secvault is a folder with files, as a run stages it.

Whoever can write into a repository can save anything under its paths. A link in the place of the
database would have a drill write into the one that lives; one in the place of the attachments
would have a recovery take in, and save, other files of the machine; and SQLite plays back what lies
beside a database as its journal.
"""

from __future__ import annotations

import os
from pathlib import Path

from secvault.backup.contents import CONTENTS
from secvault.backup.database import SQLITE_COPY
from secvault.backup.restores.loading import require_own
from secvault.errors import Damaged


def require_plain(tree: Path, staged: Path) -> None:
    """Return where nothing that is opened of the copy leads elsewhere. Raises Damaged.

    tree: what was restored; staged: the copy in it. The files of policies may be links: they are
    kept as links, and nobody follows them.
    """
    place = tree
    for part in staged.relative_to(tree).parts:
        place /= part
        if place.is_symlink() or not place.is_dir():
            raise Damaged("the snapshot does not hold the copy of secvault as a folder")
    with os.scandir(staged) as found:
        for one in found:
            if one.is_dir(follow_symlinks=False):
                continue
            if not one.is_file(follow_symlinks=False):
                raise Damaged(f"{one.name} in the copy of secvault is a link or a device")
            if one.name.startswith(f"{SQLITE_COPY}-"):
                raise Damaged("beside the copy of the database lies a journal, which no run saves")
    if (staged / CONTENTS).is_dir():
        require_own(staged / CONTENTS, "attachments")
