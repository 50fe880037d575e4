"""`secvault witness`: co-sign the checkpoints of logs, without any vault."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from secvault.cli import operations, show
from secvault.clock import system_clock
from secvault.errors import ConfigurationError, InvalidInput
from secvault.process import leave_no_core

app = typer.Typer(
    no_args_is_help=True,
    help="A witness: co-signs the checkpoints of other people's logs. Needs no vault.",
)

KEY, LOGS, STATE = "witness.key", "logs.toml", "witness.db"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The witness's own folder.")]


@app.command(
    epilog="Example: secvault witness init /var/lib/witness --name witness.example.com/hcm"
)
def init(
    folder: Folder,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Its name for ever, by custom a URL without scheme.")
    ],
    as_json: show.AsJson = False,
) -> None:
    """Make a witness: its key, its list of logs (empty), its state. Prints the public key."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput.at("FOLDER", f"{folder} cannot be made: {error.strerror}") from None
    # First: a state that is there belongs to another key.
    operations.witness_state.WitnessFile.make(folder / STATE)
    signer = operations.witness_key.make_key(folder / KEY, name, os.urandom)
    logs = folder / LOGS
    if not logs.exists():
        try:
            logs.write_text(operations.witness_logs.TEMPLATE, "utf-8")
        except OSError as error:
            raise ConfigurationError(f"{logs} cannot be written: {error.strerror}") from None
    vkey = signer.verifier().vkey
    if as_json:
        show.document({"vkey": vkey, "logs": str(logs)})
        return
    show.out(vkey)
    show.talk(f"List the logs to co-sign in {logs}, then: secvault witness serve {folder}")


@app.command(epilog="Example: secvault witness key /var/lib/witness")
def key(folder: Folder, as_json: show.AsJson = False) -> None:
    """Print the public key, for the settings of those who run logs and for policy files."""
    vkey = operations.witness_key.read_key(folder / KEY).verifier().vkey
    if as_json:
        show.document({"vkey": vkey})
    else:
        show.out(vkey)


@app.command(epilog="Example: secvault witness status /var/lib/witness --json")
def status(folder: Folder, as_json: show.AsJson = False) -> None:
    """Show which state of each listed log was co-signed last."""
    logs = operations.witness_logs.read_logs(folder / LOGS)
    known = {one.head.origin: one for one in _state(folder).all()}
    rows = [
        {
            "origin": origin,
            "size": known[origin].head.size if origin in known else 0,
            "root": known[origin].head.root.hex() if origin in known else "",
            "cosigned_at": show.time(known[origin].time * 1_000_000) if origin in known else None,
        }
        for origin in sorted({*logs, *known})
    ]
    if as_json:
        show.document({"logs": rows})
        return
    columns = {"origin": "Log", "size": "Size", "cosigned_at": "Co-signed", "root": "Root"}
    show.table(rows, columns, f"No log is listed in {folder / LOGS}.")


@app.command(epilog="Example: secvault witness serve /var/lib/witness --port 8300")
def serve(
    folder: Folder,
    *,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8300,
    tls_certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Certificate and chain, PEM.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front speaks TLS.")
    ] = False,
) -> None:
    """Answer logs that ask for a co-signature, until Ctrl-C (c2sp.org/tlog-witness)."""
    if (tls_certificate is None) != (tls_key is None):
        raise InvalidInput.at("--tls-key", "--tls-certificate and --tls-key go together")
    if not (address in _LOOPBACK or tls_certificate or behind_proxy):
        raise InvalidInput.at(
            "--address",
            "an address that others can reach needs --tls-certificate and --tls-key, or "
            "--behind-proxy when a proxy in front speaks TLS",
        )
    leave_no_core()
    operations.log.configure_logging(sys.stdout)
    signer = operations.witness_key.read_key(folder / KEY)
    logs = operations.witness_logs.read_logs(folder / LOGS)
    if not logs:
        raise ConfigurationError(f"{folder / LOGS} lists no log; there is nothing to co-sign")
    witness = operations.witness_answering.Witness(signer, logs, _state(folder), system_clock())
    # By name: the faces do not know each other, and this is where one starts the other.
    face = importlib.import_module("secvault.api.witness_server")
    scheme = "https" if tls_certificate else "http"
    shown = f"[{address}]" if ":" in address else address
    show.talk(f"{signer.name} co-signs {len(logs)} log(s) at {scheme}://{shown}:{port}")
    face.serve(witness, face.WitnessAddress(address, port, tls_certificate, tls_key))


def _state(folder: Path) -> operations.witness_state.WitnessFile:
    if not (folder / STATE).is_file():
        # A new state would co-sign what contradicts the lost one.
        raise ConfigurationError(
            f"{folder / STATE} is not there; `secvault witness init` makes a witness. One whose "
            "state is lost must not go on under its old key"
        )
    return operations.witness_state.WitnessFile(folder / STATE)
