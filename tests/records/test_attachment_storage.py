"""Where contents lie: a folder and a bucket promise the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from secvault.errors import Damaged, Unavailable
from secvault.records.attachment_bucket import BucketStorage
from secvault.records.attachment_folder import FolderStorage
from secvault.records.attachment_storage import Storage
from tests.conftest import S3Server

NAME, OTHER = "ab" + "0" * 30, "ab" + "1" * 30
PART = 5 * 2**20


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.real)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FolderStorage(tmp_path / "attachments", make=True)
    server: S3Server = request.getfixturevalue("s3_server")
    return BucketStorage(server.client, server.new_bucket(), "contents", part_bytes=PART)


def put(storage: Storage, name: str, content: bytes) -> None:
    upload = storage.begin(name)
    for at in range(0, len(content), 700_001):
        upload.write(content[at : at + 700_001])
    upload.finish()


def got(storage: Storage, name: str, start: int, stop: int) -> bytes:
    return b"".join(storage.read(name, start, stop))


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 2 * PART + 3])
def test_what_came_in_is_there_whole_and_in_any_part(storage: Storage, size: int) -> None:
    content = os.urandom(size)
    put(storage, NAME, content)
    assert storage.size(NAME) == size
    for start, stop in ((0, size), (0, 0), (size // 3, size // 2), (max(0, size - 1), size)):
        assert got(storage, NAME, start, stop) == content[start:stop]


def test_what_is_shorter_than_it_was_ends_early(storage: Storage) -> None:
    put(storage, NAME, b"abc")
    assert got(storage, NAME, 1, 10) == b"bc"
    assert got(storage, NAME, 5, 10) == b""


@pytest.mark.parametrize("size", [10, 2 * PART + 3])
def test_nothing_is_there_before_the_end_and_after_giving_up(storage: Storage, size: int) -> None:
    upload = storage.begin(NAME)
    upload.write(bytes(size))
    assert storage.size(NAME) is None
    with pytest.raises(Damaged):
        got(storage, NAME, 0, 1)
    upload.abandon()
    assert storage.size(NAME) is None
    assert list(storage.names()) == []


@pytest.mark.parametrize("size", [10, 2 * PART + 3])
def test_what_a_killed_upload_left_is_listed_and_removed(storage: Storage, size: int) -> None:
    storage.begin(NAME).write(bytes(size))
    put(storage, OTHER, b"x")
    # A small object is not sent before its end.
    small_in_a_bucket = isinstance(storage, BucketStorage) and size < PART
    assert set(storage.names()) == {OTHER, *(() if small_in_a_bucket else (NAME,))}
    storage.remove(NAME)
    assert list(storage.names()) == [OTHER]
    assert got(storage, OTHER, 0, 1) == b"x"


def test_removing_what_is_not_there_is_no_error(storage: Storage) -> None:
    put(storage, NAME, b"x")
    storage.remove(NAME)
    storage.remove(NAME)
    assert storage.size(NAME) is None


@pytest.mark.parametrize("name", ["../../secvault.db", "ab/../../x", "/etc/passwd", "", "AB" * 16])
def test_a_name_that_is_none_reaches_no_other_file(storage: Storage, name: str) -> None:
    asks: tuple[Callable[[], object], ...] = (
        lambda: storage.begin(name),
        lambda: storage.size(name),
        lambda: got(storage, name, 0, 1),
        lambda: storage.remove(name),
    )
    for ask in asks:
        with pytest.raises(Damaged, match="cannot be one"):
            ask()


def test_what_others_have_put_there_is_not_listed(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "attachments", make=True)
    put(storage, NAME, b"x")
    (storage.folder / "ab" / "notes.txt").write_text("mine")
    (storage.folder / "cd").mkdir()
    (storage.folder / "cd" / NAME).write_text("in the wrong place")
    (storage.folder / "lost+found").touch()
    assert list(storage.names()) == [NAME]


def test_files_are_for_the_service_alone(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "attachments", make=True)
    put(storage, NAME, b"x")
    (file,) = (tmp_path / "attachments" / "ab").iterdir()
    for path, mode in ((file, 0o600), (file.parent, 0o700), (storage.folder, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_share_that_is_not_mounted_looks_unreachable_and_not_empty(tmp_path: Path) -> None:
    storage = FolderStorage(tmp_path / "share")
    asks: tuple[Callable[[], object], ...] = (
        lambda: storage.begin(NAME),
        lambda: storage.size(NAME),
        lambda: got(storage, NAME, 0, 1),
        lambda: storage.remove(NAME),
        lambda: list(storage.names()),
    )
    for ask in asks:
        with pytest.raises(Unavailable, match="share"):
            ask()
    assert not storage.folder.exists()


@pytest.fixture
def full_disk(tmp_path: Path) -> FolderStorage:
    """A folder whose uploads end at a device that is always full."""
    storage = FolderStorage(tmp_path / "attachments", make=True)
    (storage.folder / "ab").mkdir(parents=True)
    return storage


def test_a_full_disk_is_said_and_leaves_nothing(full_disk: FolderStorage) -> None:
    upload = full_disk.begin(NAME)
    # The file that it has open is put in the place of /dev/full.
    upload._file.close()
    upload._file = Path("/dev/full").open("wb")  # noqa: SIM115
    upload.write(b"x" * 100)
    with pytest.raises(Unavailable, match="No space left"):
        upload.finish()
    upload.abandon()
    assert list(full_disk.names()) == []


@pytest.mark.real
def test_a_bucket_that_is_not_there_or_forbidden_is_unavailable(s3_server: S3Server) -> None:
    missing = BucketStorage(s3_server.client, "no-such-bucket-here")
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        put(missing, NAME, b"x")
    stranger = S3Server(s3_server.endpoint, "nobody", "wrong")
    forbidden = BucketStorage(stranger.client, s3_server.new_bucket())
    with pytest.raises(Unavailable, match="refuses"):
        forbidden.size(NAME)


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    gone = S3Server("http://127.0.0.1:9", "key", "secret")
    with pytest.raises(Unavailable, match="cannot be reached"):
        BucketStorage(gone.client, "bucket").size(NAME)
