"""`python -m secvault.cli`: `secvault`, by the interpreter at hand."""

import sys

from secvault.cli.main import run

sys.exit(run())
