"""A bucket as a source, against a real S3 server: what is fetched, kept, saved and put back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from secvault.backup import manifest, run
from secvault.backup.repository_faults import RepositoryDenied, SourceUnreadable
from secvault.backup.sources import bucket_index, bucket_load, kinds
from secvault.backup.sources.loading import Wish
from secvault.backup.sources.source import SourceEntry, Staged, Turn
from secvault.clock import system_clock
from secvault.config.backup_sources import BucketSource
from secvault.crypto.secret import Secret
from secvault.errors import Cancelled, Conflict, Damaged
from tests.backup.small_vault import PLAN, small_vault

real = pytest.mark.real
REFUSING = Wish()
KEYS = (
    "a",
    "a/b",
    "a//b",
    "../up",
    "./.",
    "/slash",
    "ends/",
    "Bảng lương/tháng 11.xlsx",
    "100% @home",
    "x" * 900,
    "new\nline",
)


@dataclass
class Shop:
    """A bucket with a few objects, and another one to put them into."""

    server: Any
    client: Any
    name: str
    folder: Path

    def source(self, name: str = "", **changed: Any) -> BucketSource:
        return BucketSource(
            location=f"s3:{self.server.endpoint}/{name or self.name}/shop",
            access_key_id=self.server.access_key,
            secret_access_key=SecretStr(self.server.secret_key),
            **changed,
        )

    def put(self, key: str, body: bytes, name: str = "", **told: Any) -> None:
        self.client.put_object(Bucket=name or self.name, Key=f"shop/{key}", Body=body, **told)

    def turn(self, cancel: Event | None = None, secret: str = "") -> Turn:
        for name in ("turn", "scratch"):
            (self.folder / name).mkdir(exist_ok=True)
        return Turn(
            plan="nightly",
            name="shop",
            folder=self.folder / "turn",
            scratch=self.folder / "scratch",
            clock=system_clock(),
            cancel=cancel or Event(),
            environment={},
            password=Secret.of(secret or self.server.secret_key),
            kept=self.folder / "kept",
        )

    def stage(self, **changed: Any) -> Staged:
        return kinds.stage(self.source(**changed), self.turn())

    def index(self) -> list[bucket_index.ObjectVersion]:
        return list(bucket_index.read(self.folder / "kept" / bucket_index.NAME))

    def content(self, one: bucket_index.ObjectVersion) -> bytes:
        return (self.folder / "kept" / bucket_index.OBJECTS / one.file).read_bytes()

    def load(self, staged: Staged, into: BucketSource, wish: Wish = REFUSING) -> dict[str, Any]:
        entry = SourceEntry("shop", "bucket", tuple(map(str, staged.paths)), (), dict(staged.facts))
        return dict(kinds.load(entry, self.folder / "kept", into, self.turn(), wish).facts)

    def all_of(self, name: str) -> dict[str, Any]:
        """Every newest object of a bucket, with all that is told of it."""
        found = {}
        for one in self.client.list_objects_v2(Bucket=name).get("Contents", ()):
            answer = self.client.get_object(Bucket=name, Key=one["Key"])
            tags = self.client.get_object_tagging(Bucket=name, Key=one["Key"])["TagSet"]
            told = [answer.get(header) for header in (*bucket_index.HEADERS, "Metadata")]
            found[one["Key"]] = (answer["Body"].read(), told, tags)
        return found


@pytest.fixture
def shop(s3_server: Any, tmp_path: Path) -> Shop:
    made = Shop(s3_server, s3_server.client(), s3_server.new_bucket(), tmp_path)
    for key in KEYS:
        made.put(key, hashlib.sha256(key.encode()).digest())
    made.put("empty", b"")
    made.put(
        "told",
        b"<p>",
        ContentType="text/html; charset=utf-8",
        CacheControl="max-age=60",
        ContentDisposition='attachment; filename="told.html"',
        ContentLanguage="vi",
        Metadata={"owner": "lan", "reason": "a b"},
        Tagging="department=sales&year=2026%2F27",
    )
    made.client.put_object(Bucket=made.name, Key="elsewhere", Body=b"not of the prefix")
    return made


@real
def test_every_object_is_there_under_a_name_that_reads_like_its_key(shop: Shop) -> None:
    staged = shop.stage()

    assert {one.key for one in shop.index()} == {*KEYS, "empty", "told"}
    for one in shop.index():
        if one.key in KEYS:
            assert shop.content(one) == hashlib.sha256(one.key.encode()).digest()
    assert staged.facts["objects"] == len(KEYS) + 2
    assert {one.key: one.file for one in shop.index()}["Bảng lương/tháng 11.xlsx"] == (
        "Bảng lương/tháng 11.xlsx@"
    )
    (told,) = (one for one in shop.index() if one.key == "told")
    assert told.tags == {"department": "sales", "year": "2026/27"}
    assert told.metadata == {"owner": "lan", "reason": "a b"}


@real
def test_only_what_is_new_is_fetched_and_what_is_gone_goes(shop: Shop) -> None:
    shop.stage()
    files = {
        one.key: (shop.folder / "kept" / bucket_index.OBJECTS / one.file).stat().st_ino
        for one in shop.index()
    }
    shop.put("a", b"another")
    shop.client.delete_object(Bucket=shop.name, Key="shop/a/b")
    shop.client.put_object_tagging(
        Bucket=shop.name, Key="shop/told", Tagging={"TagSet": [{"Key": "new", "Value": "tag"}]}
    )
    lost = shop.folder / "kept" / bucket_index.OBJECTS / "empty@"
    lost.unlink()
    shop.stage()
    again = {one.key: one for one in shop.index()}
    objects = shop.folder / "kept" / bucket_index.OBJECTS

    assert shop.content(again["a"]) == b"another"
    assert "a/b" not in again
    assert not (objects / "a/b@").exists()
    assert again["told"].tags == {"new": "tag"}
    assert lost.exists()
    # RADOS Gateway may tell another time of an object that was tagged, which is then fetched anew.
    unchanged = again.keys() - {"a", "empty", "told"}
    assert {key: (objects / again[key].file).stat().st_ino for key in unchanged} == {
        key: files[key] for key in unchanged
    }


@real
def test_objects_are_put_into_another_bucket_as_they_were(shop: Shop) -> None:
    staged = shop.stage()
    target = f"{shop.name}-copy"
    facts = shop.load(staged, shop.source(target))

    before = {key: one for key, one in shop.all_of(shop.name).items() if key != "elsewhere"}
    assert shop.all_of(target) == before
    assert facts == staged.facts
    with pytest.raises(Conflict, match="already"):
        shop.load(staged, shop.source(target))
    shop.put("a", b"changed by somebody", target)
    shop.put("more", b"of somebody", target)
    assert shop.load(staged, shop.source(target), Wish(replace=True)) == staged.facts
    assert shop.all_of(target) == {**before, "shop/more": shop.all_of(target)["shop/more"]}


@real
def test_all_versions_come_back_in_their_order_with_the_deletions(
    s3_server: Any, tmp_path: Path
) -> None:
    shop = Shop(s3_server, s3_server.client(), s3_server.new_bucket(), tmp_path)
    shop.put("a", b"before there were versions")
    shop.client.put_bucket_versioning(
        Bucket=shop.name, VersioningConfiguration={"Status": "Enabled"}
    )
    for body in (b"one", b"two", b"three"):
        shop.put("a", body)
        shop.put("b", body)
    shop.client.delete_object(Bucket=shop.name, Key="shop/b")
    shop.put("c", b"first")
    shop.client.delete_object(Bucket=shop.name, Key="shop/c")
    shop.put("c", b"second")
    staged = shop.stage(versions="all")

    contents = [b"" if one.deleted else shop.content(one) for one in shop.index()]
    assert [(one.key, one.newest) for one in shop.index()] == [
        *(("a", False), ("a", False), ("a", False), ("a", True)),
        *(("b", False), ("b", False), ("b", False), ("b", True)),
        *(("c", False), ("c", False), ("c", True)),
    ]
    assert contents == [
        *(b"before there were versions", b"one", b"two", b"three"),
        *(b"one", b"two", b"three", b""),
        *(b"first", b"", b"second"),
    ]
    target = f"{shop.name}-copy"
    facts = shop.load(staged, shop.source(target, versions="all"))
    assert facts == staged.facts
    other = replace(shop, name=target, folder=tmp_path / "other")
    other.folder.mkdir()
    assert other.stage(versions="all").facts == staged.facts
    again = [b"" if one.deleted else other.content(one) for one in other.index()]
    assert again == contents
    plain = s3_server.new_bucket()
    with pytest.raises(Conflict, match="keeps no versions"):
        shop.load(staged, shop.source(plain, versions="all"))
    newest = shop.load(staged, shop.source(plain))
    assert newest == {name: staged.facts[name] for name in ("objects", "bytes", "contents")}


@real
def test_a_large_object_goes_in_parts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_load, "PART", 5 << 20)
    body = bytes(range(256)) * (13 << 12)
    shop.put("large", body)
    staged = shop.stage()
    target = f"{shop.name}-copy"
    assert shop.load(staged, shop.source(target)) == staged.facts
    found = shop.client.get_object(Bucket=target, Key="shop/large")
    assert found["Body"].read() == body
    assert found["ETag"].strip('"').endswith("-3")


@real
def test_a_copy_that_was_changed_is_not_sent(shop: Shop) -> None:
    staged = shop.stage()
    (shop.folder / "kept" / bucket_index.OBJECTS / "a@").write_bytes(b"x" * 32)

    with pytest.raises(Damaged, match="not what was saved"):
        shop.load(staged, shop.source(f"{shop.name}-copy"))


@real
def test_what_is_wrong_is_told_by_name(shop: Shop) -> None:
    with pytest.raises(SourceUnreadable, match=r"sources.shop.location: there is no bucket"):
        kinds.stage(shop.source("no-such-bucket-there"), shop.turn())
    with pytest.raises(RepositoryDenied) as denied:
        kinds.stage(shop.source(), shop.turn(secret="wrong-secret"))
    assert "wrong-secret" not in denied.value.detail
    cancelled = Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        kinds.stage(shop.source(), shop.turn(cancelled))


@real
@pytest.mark.usefixtures("quick_repositories")
def test_a_run_saves_the_copy_and_a_restore_has_all_that_a_bucket_needs(
    shop: Shop, each_restic: str, tmp_path: Path
) -> None:
    (tmp_path / "vault").mkdir()
    with small_vault(tmp_path / "vault") as made:
        vault = made.planned(vault=False, folders=(), sources={"shop": shop.source()})
        command = replace(vault.engine.restic.command, binary=each_restic)
        restic = replace(vault.engine.restic, command=command)
        vault = replace(vault, engine=replace(vault.engine, restic=restic))
        vault.back_up("run-1")
        shop.put("a", b"another")
        vault.back_up("run-2")
        newest = run.newest_snapshot(vault.engine, PLAN)
        target = tmp_path / "target"
        repository = vault.engine.opened_repository("local")
        restic.restore(repository, newest.id, target, verify=True, on_progress=lambda _: None)
        compared = run.compare_restored(vault.engine, PLAN, newest, target)
        staged = run.staged_in(target, newest, PLAN)
        (entry,) = manifest.read(staged / manifest.NAME).sources

    assert compared.whole, compared.first_fault
    name = f"{shop.name}-copy"
    folder = target / entry.paths[0].lstrip("/")
    turn = replace(shop.turn(), kept=None)
    loaded = kinds.load(entry, folder, shop.source(name), turn)
    assert loaded.facts == entry.facts
    before = {key: one for key, one in shop.all_of(shop.name).items() if key != "elsewhere"}
    assert shop.all_of(name) == before


@given(st.lists(st.text(min_size=1, max_size=300), unique=True, min_size=2, max_size=8))
def test_no_two_keys_share_a_file_and_none_is_in_anothers_way(keys: list[str]) -> None:
    keys = [
        key for key in keys if key.isprintable() or key.encode("utf-8", "ignore").decode() == key
    ]
    files = [bucket_index.file_of(key, "") for key in keys]

    assert len({*files}) == len(files)
    folders = {str(up) for file in files for up in Path(file).parents}
    assert not folders & {*files}
    for file in files:
        parts = file.split("/")
        assert not {"", ".", ".."} & {*parts}
        assert all(len(part.encode()) <= 255 for part in parts)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Path]:
    one = bucket_index.ObjectVersion("a", "", newest=True, modified=1, file="a@", sha256="ab" * 32)
    file = tmp_path / bucket_index.NAME
    bucket_index.write(bucket_index.Head("http://s3", "shop", "", "newest"), [one], file)
    assert list(bucket_index.read(file)) == [one]
    return file


@pytest.mark.parametrize(
    "harm",
    [
        lambda lines: lines[:-1],
        lambda lines: [lines[0], lines[2]],
        lambda lines: lines[1:],
        lambda lines: [*lines, lines[1]],
        lambda lines: [lines[0], lines[1].replace(b'"a@"', b'"../a@"'), lines[2]],
        lambda lines: [lines[0], lines[1].replace(b'"a@"', b'"/a@"'), lines[2]],
        lambda lines: [lines[0], lines[1][:-3], lines[2]],
    ],
)
def test_an_index_that_is_not_whole_is_none(index: Path, harm: Any) -> None:
    index.write_bytes(b"".join(harm(index.read_bytes().splitlines(keepends=True))))

    with pytest.raises(Damaged):
        list(bucket_index.read(index))
