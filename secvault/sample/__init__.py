"""Sample data: the back office of a company that does not exist, the same at every run.

Promises: a few thousand records over all collections of the shipped `policies/collections`,
in their stored form, coherent with one another (a payroll line belongs to an employee, a payment
to an invoice), and of nobody: numbers, accounts and addresses come from ranges that are reserved
for examples or given to no one. The same seed gives the same bytes in every process; no clock is
read. Needs the library Faker, which is imported at the first call only.

Start reading at `back_office`.
"""

from secvault.sample.back_office import back_office
from secvault.sample.record import SampleRecord

__all__ = ["SampleRecord", "back_office"]
