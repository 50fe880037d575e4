"""Files that makers of hardware tokens send: serial numbers with the seeds inside.

Promises: a file is read whole or not at all; no error repeats any of a seed; what a token computes
is one of what `totp.Shape` allows. Start reading at `token.FromFile`; then `csv_file`, `pskc_file`.
"""

from secvault.identity.seed_files.csv_file import read_csv
from secvault.identity.seed_files.pskc_file import read_pskc
from secvault.identity.seed_files.token import FromFile

__all__ = ["FromFile", "read_csv", "read_pskc"]
