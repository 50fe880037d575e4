"""`secvault audit prove`, `check`, `consistency`, `tiles`: proofs, to be checked elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from secvault.cli import audit_policy, opening, operations, progress, show
from secvault.errors import InvalidInput

_KEY = typer.Option("--key", metavar="VKEY", help="The log's public key; see `audit keys`.")


def prove(
    context: typer.Context,
    seq: Annotated[int, typer.Argument(metavar="SEQ", help="The event's number.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write the proof to; else it goes to stdout.")
    ] = None,
) -> None:
    """Prove that the log has an event: the event, its inclusion proof, and a signed checkpoint.

    Whoever has the log's public key checks it with `secvault audit check`, without any vault.
    """
    with opening.vault(context) as (service, caller):
        found = operations.audit_proofs.prove_event(service, caller, seq)
    document = {"entry": found.entry.decode(), "proof": found.format()}
    if out is None:
        show.document(document)
        return
    try:
        out.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise InvalidInput.at("--out", f"{out} cannot be written: {error.strerror}") from None
    show.talk(f"The proof of event {seq} is in {out}.")


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `audit prove` wrote.")],
    *,
    key: Annotated[str, _KEY] = "",
    policy: Annotated[Path | None, audit_policy.POLICY] = None,
    as_json: show.AsJson = False,
) -> None:
    """Check a proof with the public key alone. Exit code 5 when it does not hold.

    With --policy instead of --key, the policy names the log's key, and the proof holds only if so
    many witnesses co-signed its checkpoint as the policy demands.
    """
    if bool(key) == (policy is not None):
        raise InvalidInput.at("--key", "give either --key or --policy")
    try:
        document: Any = json.loads(file.read_bytes())
        entry, proof = document["entry"].encode(), document["proof"]
    except OSError as error:
        raise InvalidInput.at("FILE", f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidInput.at("FILE", f"{file} is not what `audit prove` writes") from None
    found = operations.proofs.parse_inclusion(proof, entry)
    if policy is not None:
        judged = audit_policy.read(policy).check(found.note)
        found.verify(judged.checkpoint)
        signed, cosigned = judged.checkpoint, audit_policy.shown(judged)
    else:
        verifier = operations.note.NoteVerifier.from_vkey(key.strip())
        signed, cosigned = found.check([verifier], verifier.name), {}
    event = operations.leaf.decode(entry, seq=found.seq)
    facts = {
        "seq": found.seq,
        "time": show.time(event.t),
        "kind": event.event.kind,
        "actor": event.event.actor.subject,
        "resource": event.event.resource,
        "outcome": event.event.outcome,
        "size": signed.size,
    }
    if as_json:
        show.document({**facts, **({"cosigned": cosigned} if policy is not None else {})})
        return
    show.out(f"the log {signed.origin} has this event")
    show.facts({**facts, **{f"co-signed by {name}": at for name, at in cosigned.items()}})


def consistency(
    context: typer.Context,
    old: Annotated[int, typer.Argument(metavar="OLD", help="Size of the earlier checkpoint.")],
    new: Annotated[
        int | None, typer.Argument(metavar="NEW", help="Size of the later one; else the newest.")
    ] = None,
    as_json: show.AsJson = False,
) -> None:
    """Prove that a checkpoint only added to an earlier one: nothing before it was rewritten."""
    with opening.vault(context) as (service, caller):
        found = operations.audit_proofs.prove_growth(service, caller, old, new)
    if as_json:
        show.document(
            {
                "old": found.old.decode(),
                "new": found.new.decode(),
                "hashes": [each.hex() for each in found.hashes],
            }
        )
        return
    show.out("the later checkpoint continues the earlier one")
    show.out(found.new.decode().rstrip("\n"))


def tiles(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="New, or an earlier export to complete.")
    ],
    as_json: show.AsJson = False,
) -> None:
    """Write the whole log as files that any reader of transparency logs understands.

    The layout is that of c2sp.org/tlog-tiles. Run again, it adds what is new.
    """
    with opening.vault(context) as (service, caller), progress.of_count("events") as so_far:
        signed = operations.audit_proofs.export_tiles(
            service, caller, folder, lambda done: so_far(done, max(done, 1))
        )
    if as_json:
        show.document({"folder": str(folder), "size": signed.size, "root": signed.root.hex()})
        return
    show.talk(
        f"{signed.size} events are in {folder}; `secvault audit verify --export` checks them."
    )
