"""`python -m secvault.cli`, which is how `secvault serve` starts its children."""

import sys

from secvault.cli.main import run

sys.exit(run())
