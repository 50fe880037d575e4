"""The command line `secvault`: the same operations as the other faces, by the same names.

Promises: data on stdout, talk on stderr; `--json` prints one JSON document and nothing else; no
secret is taken from or left in the command's arguments; every error is one sentence with its mend
and an exit code (`secvault help exit-codes`), never a traceback. Help is quick: the files here
import the standard library, typer and setproctitle only, everything heavy comes through `opening`
at first use.

One file for each noun (`people`, `backup`, ...); `main` puts them together, `outcome` turns errors
into exit codes, `show` prints, `ask` asks. Start reading at `main`, then `opening`.
"""

from secvault.cli.main import run

__all__ = ["run"]
