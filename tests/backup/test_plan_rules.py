"""What a plan of the store may say, and which changes of one take something away."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secvault.backup import plan_secrets, plans
from secvault.backup.plan_rules import Openings, require_storable, weakened
from secvault.config import PlanSettings
from secvault.config.backup_sources import SourceSettings
from secvault.crypto.canonical import canonical_json, parse_canonical
from secvault.errors import InvalidInput

CANARY = "cAnary-7c1f9e-value"
SERVER = {"kind": "postgresql", "host": "db.example.com", "user": "backup", "password": CANARY}
BUCKET = {
    "kind": "bucket",
    "location": "s3:https://s3.example.com/uploads",
    "access_key_id": "AK",
    "secret_access_key": CANARY,
}


@pytest.fixture
def openings(tmp_path: Path) -> Openings:
    for name in ("srv/files/deep", "srv/vault", "etc"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "srv" / "link").symlink_to(tmp_path / "etc")
    return Openings((tmp_path / "srv",), (tmp_path / "srv" / "vault",))


def refused(openings: Openings, values: dict[str, Any]) -> set[str]:
    """The fields at fault."""
    settings, secrets = plan_secrets.split(plans.parse(values))
    try:
        require_storable(settings, secrets, openings)
    except InvalidInput as error:
        return {fault.field for fault in error.fields}
    return set()


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"hooks": {"h": {"when": "before", "command": ["/bin/true"]}}}, {"hooks"}),
        ({"sources": {"c": {"kind": "command", "command": ["/bin/id"]}}}, {"sources.c.kind"}),
        (
            {"drill": {"assertions": {"look": {"command": ["/bin/id"]}}}},
            {"drill.assertions.look.command"},
        ),
        ({"sources": {"d": {**SERVER, "programs": "/tmp"}}}, {"sources.d.programs"}),
        (
            {"sources": {"d": {**SERVER, "password": "", "password_file": "/etc/shadow"}}},
            {"sources.d.password_file", "sources.d.password"},
        ),
        ({"sources": {"d": {**SERVER, "ca_file": "/etc/ssl/x"}}}, {"sources.d.ca_file"}),
        # Whoever secvault runs as would be let in.
        ({"sources": {"d": {**SERVER, "host": ""}}}, {"sources.d.host"}),
        ({"sources": {"d": {**SERVER, "host": "/run/postgresql"}}}, {"sources.d.host"}),
        ({"sources": {"d": {**SERVER, "host": "@abstract"}}}, {"sources.d.host"}),
        ({"sources": {"d": {**SERVER, "user": ""}}}, {"sources.d.user"}),
        ({"sources": {"d": {**SERVER, "password": ""}}}, {"sources.d.password"}),
        (
            {"sources": {"d": {**SERVER, "kind": "mariadb", "socket": "/run/mysqld.sock"}}},
            {"sources.d.socket"},
        ),
        # libpq takes these for connection strings.
        (
            {"sources": {"d": {**SERVER, "databases": ["host=/run user=x"]}}},
            {"sources.d.databases"},
        ),
        ({"sources": {"d": {**SERVER, "databases": ["postgresql://x"]}}}, {"sources.d.databases"}),
        ({"sources": {"d": {**SERVER, "databases": ["--file=/x"]}}}, {"sources.d.databases"}),
        ({"sources": {"b": {**BUCKET, "access_key_id": ""}}}, {"sources.b.access_key_id"}),
        ({"sources": {"b": {**BUCKET, "secret_access_key": ""}}}, {"sources.b.secret_access_key"}),
        ({"sources": {"b": {**BUCKET, "ca_file": "/etc/ssl/x"}}}, {"sources.b.ca_file"}),
        ({"sources": {"b": {**BUCKET, "location": "/srv/data"}}}, {"sources.b.location"}),
        ({"ping_url": f"http://localhost/{CANARY}"}, {"ping_url"}),
        ({"excludes": ["a\n--option"]}, {"excludes"}),
        (
            {"sources": {"d": SERVER, "b": BUCKET}, "ping_url": f"https://hc.example/{CANARY}"},
            set(),
        ),
    ],
)
def test_a_plan_of_the_store_gets_nobody_more_than_their_role(
    openings: Openings, values: dict[str, Any], fields: set[str]
) -> None:
    assert refused(openings, values) == fields


def test_what_is_not_allowed_is_told_without_a_value(openings: Openings) -> None:
    hidden = {**SERVER, "host": "", "databases": [f"{CANARY}=x"], "programs": f"/{CANARY}"}
    values = {"ping_url": f"http://localhost/{CANARY}", "sources": {"d": hidden}}
    settings, secrets = plan_secrets.split(plans.parse(values))
    with pytest.raises(InvalidInput) as error:
        require_storable(settings, secrets, openings)
    assert len(error.value.fields) == 4
    assert CANARY not in str(error.value) + repr(error.value.fields)


@pytest.mark.parametrize(
    ("path", "open_"),
    [
        ("srv/files", True),
        ("srv/files/deep", True),
        ("srv/not/yet/there", True),
        # Holds what is closed.
        ("srv", False),
        ("srv/vault", False),
        ("srv/vault/secvault.db", False),
        ("etc", False),
        # By where it really is.
        ("srv/link", False),
        ("srv/link/passwd", False),
        ("srv/files/../../etc", False),
    ],
)
def test_it_saves_what_lies_below_an_open_folder_and_nothing_of_secvaults_own(
    openings: Openings, tmp_path: Path, path: str, open_: bool
) -> None:
    at = f"{tmp_path}/{path}"
    for values, field in (
        ({"folders": [at]}, "folders.0"),
        ({"sources": {"f": {"kind": "folders", "paths": [at]}}}, "sources.f.paths.0"),
        ({"sources": {"f": {"kind": "sqlite", "files": [at]}}}, "sources.f.files.0"),
    ):
        assert refused(openings, values) == (set() if open_ else {field})


def test_without_open_folders_no_path_is_saved() -> None:
    assert refused(Openings(), {"folders": ["/srv"]}) == {"folders.0"}
    assert refused(Openings(), {"folders": ["relative"]}) == {"folders.0"}


BEFORE = {"folders": ["/a"], "keep_tags": ["keep"], "excludes": ["*.tmp"], "check_days": 90}


@pytest.mark.parametrize(
    ("changed", "less"),
    [
        ({"keep_daily": 13}, {"keep_daily"}),
        ({"keep_daily": 15}, set()),
        ({"keep_last": 1, "keep_monthly": 99}, {"keep_last"}),
        ({"keep_tags": []}, {"keep_tags"}),
        ({"keep_within": "1y"}, set()),
        ({"folders": ["/a", "/b"]}, set()),
        ({"folders": ["/b"]}, {"folders"}),
        ({"excludes": []}, set()),
        ({"excludes": ["*"]}, {"excludes"}),
        ({"vault": False}, {"vault"}),
        ({"repository": "other"}, {"repository"}),
        ({"copies": ["other"]}, set()),
        ({"check_days": 0}, {"check_days"}),
        ({"check_days": 30}, set()),
        ({"rpo_hours": 48}, {"rpo_hours"}),
        ({"rpo_hours": 2}, set()),
        ({"sources": {"d": SERVER}}, set()),
        ({"owner": "an"}, set()),
        ({"schedule": "0 3 * * *", "windows": ["01:00-02:00"], "priority": 1}, set()),
    ],
)
def test_a_change_takes_away_what_is_saved_less_or_kept_for_less_long(
    changed: dict[str, Any], less: set[str]
) -> None:
    assert set(weakened(plans.parse(BEFORE), plans.parse({**BEFORE, **changed}))) == less


def test_a_source_that_is_changed_or_left_out_is_saved_less() -> None:
    with_one = plans.parse({**BEFORE, "sources": {"d": SERVER}})
    other = plans.parse({**BEFORE, "sources": {"d": {**SERVER, "databases": ["one"]}}})
    assert weakened(with_one, plans.parse(BEFORE)) == ("sources",)
    assert weakened(with_one, other) == ("sources",)


@given(
    st.sampled_from(["keep_last", "keep_daily", "rpo_hours", "check_days", "priority"]),
    st.integers(1, 100),
    st.integers(1, 100),
)
def test_of_two_different_numbers_one_way_takes_away_and_the_other_does_not(
    field: str, one: int, other: int
) -> None:
    first, second = PlanSettings(**{field: one}), PlanSettings(**{field: other})
    both = weakened(first, second), weakened(second, first)
    if one == other or field == "priority":
        assert both == ((), ())
    else:
        assert sorted(both) == [(), (field,)]


@pytest.mark.parametrize(
    ("before", "after", "less"),
    [
        ({}, {"levels": ["repository", "files"]}, True),
        ({"levels": ["repository", "files"]}, {}, False),
        ({}, {"extent": "sample"}, True),
        ({"extent": "sample"}, {}, False),
        ({"extent": "sample"}, {"extent": "sample", "rate": 0.1}, True),
        ({"extent": "sample"}, {"extent": "sample", "rate": 0.001}, False),
        ({}, {"tolerance": 0.1}, True),
        ({}, {"rto_minutes": 600}, True),
        ({"overdue_days": 10}, {"overdue_days": 20}, True),
        ({"overdue_days": 10}, {"overdue_days": 5}, False),
        ({}, {"repository": "turn"}, False),
        ({"repository": "turn"}, {}, True),
        ({"assertions": {"a": {"command": ["/bin/id"]}}}, {}, True),
        ({}, {"snapshot": "turn", "gentle": False}, False),
    ],
)
def test_drills_that_prove_less_take_away(
    before: dict[str, Any], after: dict[str, Any], less: bool
) -> None:
    first, second = (PlanSettings.model_validate({"drill": one}) for one in (before, after))
    assert weakened(first, second) == (("drill",) if less else ())


def test_when_drills_are_is_for_two_people_unless_it_is_said_how_long_a_proof_holds() -> None:
    often, never = plans.parse({}), plans.parse({"drill_schedule": ""})
    assert weakened(often, never) == ("drill_schedule",)
    assert weakened(often, plans.parse({"drill_schedule": "0 4 1 1 *"})) == ("drill_schedule",)
    assert weakened(never, often) == ()
    held = {"drill": {"overdue_days": 10}}
    assert weakened(plans.parse(held), plans.parse({**held, "drill_schedule": ""})) == ()


def test_a_new_question_to_a_database_is_for_two_people() -> None:
    plan = {"sources": {"erp": {"kind": "sqlite", "files": ["/srv/a.db"]}}}
    asked = {"source": "erp", "sql": "SELECT count(*) FROM pay WHERE sum > 9", "at_least": 1}
    first = plans.parse(plan | {"drill": {"assertions": {"one": asked}}})
    other = plans.parse(plan | {"drill": {"assertions": {"one": {**asked, "at_least": 2}}}})
    assert weakened(plans.parse(plan), first) == ("drill",)
    assert weakened(first, other) == ("drill",)
    assert weakened(first, first) == ()


def test_an_assertion_is_asked_of_a_source_of_the_plan() -> None:
    asked = {"source": "erp", "database": "erp", "sql": "SELECT 1", "equals": "1"}
    plan = {"drill": {"assertions": {"one": asked}}}
    with pytest.raises(InvalidInput, match="none of the plan's sources"):
        plans.parse(plan)
    folders = {"sources": {"erp": {"kind": "folders", "paths": ["/srv"]}}}
    with pytest.raises(InvalidInput, match="cannot be asked of erp"):
        plans.parse(plan | folders)
    assert plans.parse(plan | {"sources": {"erp": {"kind": "sqlite", "files": ["/srv/a.db"]}}})


def test_fractions_of_a_stored_plan_come_back_as_they_were() -> None:
    plan = PlanSettings.model_validate({"drill": {"rate": 0.015, "confidence": 0.99}})
    kept = parse_canonical(canonical_json(plans.plain(plan)), "the plan")
    assert PlanSettings.model_validate(kept) == plan


def test_secrets_are_split_off_and_the_rest_says_where_they_were() -> None:
    url = "https://hc.example/x"
    plan = plans.parse({"sources": {"d": SERVER, "b": BUCKET}, "ping_url": url})
    settings, secrets = plan_secrets.split(plan)
    assert secrets == {
        "sources.d.password": CANARY,
        "sources.b.secret_access_key": CANARY,
        "ping_url": url,
    }
    assert CANARY not in settings.model_dump_json()
    assert url not in settings.model_dump_json()
    assert plan_secrets.said(plan) == set(secrets)


@pytest.mark.parametrize(
    ("changed", "stays"),
    [
        ({}, True),
        ({"databases": ["one"]}, True),
        ({"with_sums": False}, True),
        ({"host": "evil.example.com"}, False),
        ({"port": 1}, False),
        ({"user": "other"}, False),
        ({"sslmode": "disable"}, False),
        ({"kind": "mariadb"}, False),
    ],
)
def test_a_secret_is_not_sent_to_another_end_than_it_was_given_for(
    changed: dict[str, Any], stays: bool
) -> None:
    before = plans.parse({"sources": {"d": SERVER}})
    after = plans.parse({"sources": {"d": {**SERVER, **changed}}})
    assert plan_secrets.still_fit(before, after, "sources.d.password") is stays


def test_no_kind_of_source_has_a_place_of_the_machine_that_the_rules_do_not_look_at() -> None:
    # Lists of paths are looked at by name; whoever adds one to a source adds it there.
    lists = {
        (kind.__name__, name)
        for kind in (get_args(one)[0] for one in get_args(get_args(SourceSettings)[0]))
        for name, field in kind.model_fields.items()
        if "Path" in str(field.annotation) and "tuple" in str(field.annotation)
    }
    assert lists == {("FoldersSource", "paths"), ("SqliteSource", "files")}
    places = {
        name for name, one in PlanSettings.model_fields.items() if "Path" in str(one.annotation)
    }
    assert places == {"folders"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"nope": CANARY}, "nope"),
        ({"schedule": 1}, "schedule"),
        ({"sources": {"d": {"kind": CANARY}}}, "sources.d"),
        ({"sources": {"d": {**SERVER, "hots": CANARY}}}, "sources.d.hots"),
        ({"sources": {"d": {**SERVER, "port": CANARY}}}, "sources.d.port"),
        ({"sources": {"../d": SERVER}}, "sources.../d"),
        ({"sources": CANARY}, "sources"),
        ({"vault": False}, "settings"),
        ({"copies": ["local"]}, "settings"),
    ],
)
def test_what_is_no_plan_is_refused_by_its_field_and_no_value_is_shown(
    values: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        plans.parse(values)
    assert [fault.field for fault in error.value.fields] == [field]
    assert CANARY not in str(error.value) + repr(error.value.fields)
