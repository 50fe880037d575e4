from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.crypto.tiles import WIDTH, Tile, bundle, tiles_of
from secvault.errors import InvalidInput

SOME = st.builds(
    Tile,
    st.one_of(st.none(), st.integers(0, 63)),
    st.integers(0, 10**12),
    st.integers(1, WIDTH),
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(0, 0), "tile/0/000"),
        (Tile(2, 0, 1), "tile/2/000.p/1"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(None, 999), "tile/entries/999"),
        (Tile(None, 1000, 17), "tile/entries/x001/000.p/17"),
    ],
)
def test_a_tile_lies_where_the_format_says(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@given(SOME)
def test_a_path_is_read_as_the_tile_that_it_was_written_for(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@given(st.text(max_size=40))
@pytest.mark.parametrize(
    "prefix", ["", "tile/", "tile/0/", "tile/entries/", "tile/0/000", "tile/0/x000/"]
)
def test_any_other_text_is_refused_or_reads_back_as_itself(prefix: str, text: str) -> None:
    try:
        read = Tile.parse(prefix + text)
    except InvalidInput:
        return
    assert read.path == prefix + text


@pytest.mark.parametrize(
    "path",
    ["tile/0/000.p/256", "tile/0/000.p/0", "tile/64/000", "tile/0/x000/000", "tile/00/000", "../x"],
)
def test_a_second_spelling_is_no_path(path: str) -> None:
    with pytest.raises(InvalidInput):
        Tile.parse(path)


def test_a_log_of_70000_entries_has_the_tiles_of_the_format() -> None:
    by_level: dict[int | None, list[Tile]] = {}
    for tile in tiles_of(70_000):
        by_level.setdefault(tile.level, []).append(tile)
    assert [len(by_level[level]) for level in (None, 0, 1, 2)] == [274, 274, 2, 1]
    assert by_level[0][-1].width == by_level[None][-1].width == 112
    assert (by_level[1][-1].width, by_level[2][-1].width) == (17, 1)


@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_what_a_smaller_log_has_in_full_is_not_named_again(one: int, two: int) -> None:
    small, large = sorted((one, two))
    every = set(tiles_of(large))
    again = {tile for tile in tiles_of(small) if tile.width == WIDTH}
    assert set(tiles_of(large, beyond=small)) == every - again
    assert all(tile.fits(large) for tile in every)


@given(st.lists(st.binary(max_size=300), max_size=9))
def test_a_bundle_holds_each_entry_behind_its_length(entries: list[bytes]) -> None:
    content, found = bundle(entries), []
    while content:
        length = int.from_bytes(content[:2], "big")
        found.append(content[2 : 2 + length])
        content = content[2 + length :]
    assert found == entries


def test_an_entry_beyond_the_limit_of_the_format_is_refused() -> None:
    with pytest.raises(InvalidInput):
        bundle([b"x" * 65_536])
