"""What an order means of a snapshot: sources, paths, what is refused, and restic's patterns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from secvault.backup.manifest import FORMAT, Manifest, read, write
from secvault.backup.restores.order import Folder, Into, Order, Original, Place, require_sound
from secvault.backup.restores.selection import select
from secvault.backup.sources.source import SourceEntry
from secvault.errors import Damaged, InvalidInput, NotFound

STAGED = "/data/scratch/staging-nightly"
DUMPS = f"{STAGED}/sources/erp"
LISTED = Manifest(
    format=FORMAT,
    run="run-1",
    plan="nightly",
    data_at=1,
    audit_size=0,
    database="",
    sources=(
        SourceEntry("erp", "postgresql", (DUMPS,)),
        SourceEntry("files", "folders", ("/srv/share", "/srv/one.txt")),
    ),
)
TOPS = (STAGED, "/srv/share", "/srv/one.txt")


ANYWHERE = Folder("/r")


def order(place: Place = ANYWHERE, **more: tuple[str, ...]) -> Order:
    return Order("nightly", "ab" * 32, "local", place, **more)  # type: ignore[arg-type]


def roots(place: Place, **more: tuple[str, ...]) -> list[str]:
    return [str(one.path) for one in select(order(place, **more), LISTED, TOPS).roots]


def test_a_source_is_its_paths_and_a_path_within_another_is_named_once() -> None:
    assert roots(Folder("/r"), sources=("files",)) == ["/srv/one.txt", "/srv/share"]
    assert roots(Folder("/r"), paths=("/srv/share/a", "/srv/share/a/x")) == ["/srv/share/a"]
    assert roots(Folder("/r")) == sorted(TOPS)


def test_only_what_is_below_a_path_is_of_the_selection() -> None:
    chosen = select(order(paths=("/srv/share/a",)), LISTED, TOPS)
    assert chosen.root_of(Path("/srv/share/a/x")) == chosen.roots[0]
    assert chosen.root_of(Path("/srv/share/ab/y")) is None
    assert str(chosen.roots[0].base) == "/srv/share"


def test_databases_are_files_in_a_folder_and_loaded_anywhere_else() -> None:
    in_folder = select(order(sources=("erp",)), LISTED, TOPS)
    assert ([str(one.path) for one in in_folder.placed], in_folder.loads) == ([DUMPS], ())
    for place in (Original(), Into("standby")):
        loaded = select(order(place, sources=("erp",)), LISTED, TOPS)
        assert [one.name for one in loaded.loads] == ["erp"]
        assert loaded.placed == ()
        assert [str(one.path) for one in loaded.roots] == [DUMPS]


def test_what_the_snapshot_cannot_hold_is_not_found() -> None:
    with pytest.raises(NotFound, match="no source 'shop'; there are: erp, files"):
        select(order(sources=("shop",)), LISTED, TOPS)
    with pytest.raises(NotFound, match="does not hold /etc/passwd"):
        select(order(paths=("/etc/passwd",)), LISTED, TOPS)
    # A name that only begins alike is not below it.
    with pytest.raises(NotFound):
        select(order(paths=("/srv/shared",)), LISTED, TOPS)
    with pytest.raises(NotFound, match="not made by a backup run"):
        select(order(), LISTED, ("/srv/share",))


def test_a_copy_that_a_run_made_has_no_original_place() -> None:
    with pytest.raises(InvalidInput, match="name its source"):
        select(order(Original(), paths=(f"{DUMPS}/erp.dump",)), LISTED, TOPS)


@pytest.mark.parametrize(
    "faulty",
    [
        order(paths=("srv",)),
        order(paths=("/srv/../etc",)),
        order(paths=("/srv/",)),
        order(paths=("/",)),
        order(paths=("/srv//x",)),
        order(paths=("/srv/\0",)),
        order(paths=("/srv/x", "/srv/x")),
        order(Folder("relative")),
        order(Folder("/srv/..")),
        order(Original()),
        order(Into("standby")),
        order(Into("standby"), sources=("erp",), paths=("/srv/x",)),
        order(paths=tuple(f"/srv/{number}" for number in range(1001))),
    ],
)
def test_what_cannot_be_meant_is_refused(faulty: Order) -> None:
    with pytest.raises(InvalidInput):
        require_sound(faulty)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("../../home", "/srv/share"),
        ("files", f"{STAGED}/../../../etc/cron.d"),
        ("files", "srv/share"),
        ("files", ""),
    ],
)
def test_a_manifest_that_leads_out_of_a_folder_is_not_read(
    tmp_path: Path, name: str, path: str
) -> None:
    file = tmp_path / "manifest.json"
    write(LISTED, file)
    assert read(file) == LISTED
    forged = json.loads(file.read_text())
    forged["sources"][1] |= {"name": name, "paths": [path]}
    file.write_text(json.dumps(forged))
    with pytest.raises(Damaged, match="cannot be read"):
        read(file)
