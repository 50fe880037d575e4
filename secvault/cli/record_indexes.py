"""`secvault records leakage`, `check` and `reindex`: the indexes of sealed fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from secvault.cli import opening, operations, progress, records, show
from secvault.errors import Damaged

if TYPE_CHECKING:
    from secvault.records.leakage import Leakage
    from secvault.service.record_indexes import Checked

# How many a person is shown; `--json` has them all.
_SHOWN = 20


def leakage(
    context: typer.Context,
    collection: records.CollectionName,
    field: Annotated[
        str | None, typer.Argument(metavar="FIELD", help="Of this field only.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Report what the blind indexes give away to who reads the database, for the data at hand.

    Whoever reads it sees which records share a token, and nothing else; how much that says depends
    on how the values are spread. Nothing is decrypted here, and no value is shown.
    """
    with opening.vault(context) as (service, caller):
        found = operations.record_indexes.read_leakage(service, caller, collection, field)
    if as_json:
        show.document({"indexes": [_document(one) for one in found]})
        return
    if not found:
        show.talk(f"No field of {collection} has an index, so nothing is given away.")
        return
    rows = [
        {
            "index": f"{one.field} {one.kind}",
            "bits": one.bits,
            "records": one.records,
            "tokens": one.tokens,
            "in_vain": _number(one.in_vain),
            "commonest": _share(one.commonest),
            "alike": _share(one.alike),
            "named": _share(one.named),
        }
        for one in found
    ]
    columns = {
        "index": "Index",
        "bits": "Bits",
        "records": "Records",
        "tokens": "Tokens",
        "in_vain": "In vain",
        "commonest": "Commonest",
        "alike": "Alike",
        "named": "Named",
    }
    show.table(rows, columns, "")
    for one in found:
        show.out("")
        show.out(f"{one.field} {one.kind}: {one.advice}")
        for band in one.bands:
            many = f"{band.least} to {band.most} records"
            if band.most == 1:
                many = "1 record"
            show.out(f"  tokens in {many} each: {band.tokens}, together in {band.records}")
    show.talk(
        "In vain: records opened beside those sought, expected. Commonest: share of the records "
        "with the most frequent token. Alike: chance that two records share one. Named: share of "
        "the records whose value somebody names who knows how often each value occurs."
    )


def check(
    context: typer.Context, collection: records.CollectionName, as_json: show.AsJson = False
) -> None:
    """Read every record, make its index tokens anew, and compare them with the stored ones.

    A record whose token is missing is not found by a search; `records reindex` makes it again. Ends
    with exit code 5 when anything is missing, moved or damaged.
    """
    with (
        opening.vault(context) as (service, caller),
        progress.of_count(f"checking {collection}") as so_far,
    ):
        found = operations.record_indexes.check_indexes(service, caller, collection, so_far)
    if as_json:
        show.document(
            {
                "collection": found.collection,
                "records": found.records,
                "sound": found.sound,
                "faults": [vars(one) for one in found.faults],
                "damaged": list(found.damaged),
            }
        )
    else:
        _say(found)
    if not found.sound:
        raise Damaged(
            f"{len(found.faults)} records of {collection} have wrong tokens and "
            f"{len(found.damaged)} do not open; `secvault records reindex {collection}` makes "
            "tokens again, a backup brings records back"
        )


def reindex(
    context: typer.Context, collection: records.CollectionName, as_json: show.AsJson = False
) -> None:
    """Make the index tokens of every record anew, after the schema's indexes have changed.

    Records can be read, written and searched meanwhile. After a kill it goes on where it ended when
    it is run again.
    """
    with (
        opening.vault(context) as (service, caller),
        progress.of_count(f"indexing {collection}") as so_far,
    ):
        done = operations.record_indexes.reindex_collection(service, caller, collection, so_far)
    if as_json:
        show.document({**vars(done), "damaged": list(done.damaged)})
    else:
        show.out(f"{done.collection}: {done.records} records read, {done.changed} indexed anew")
    if done.damaged:
        some = ", ".join(done.damaged[:_SHOWN])
        raise Damaged(
            f"{len(done.damaged)} records of {collection} do not open: {some}; restore them from a "
            "backup"
        )


def _say(found: Checked) -> None:
    for fault in found.faults[:_SHOWN]:
        show.out(f"{fault.record}: {fault.tokens} tokens of {fault.field} {fault.what}")
    for one in found.damaged[:_SHOWN]:
        show.out(f"{one}: does not open")
    if max(len(found.faults), len(found.damaged)) > _SHOWN:
        show.talk("There are more; see --json.")
    show.out(
        f"{found.collection}: {found.records} records read, {len(found.faults)} with wrong tokens, "
        f"{len(found.damaged)} damaged"
    )


def _document(one: Leakage) -> dict[str, Any]:
    return {
        **{name: value for name, value in vars(one).items() if name != "bands"},
        "groups": [vars(band) for band in one.bands],
        "advice": one.advice,
    }


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1g}"


def _share(value: float) -> str:
    return f"{value:.2%}"
