"""What happened: the one log of an installation, which cannot be altered unnoticed.

Promises: an event is on disk before `AuditLog.record` or `Gathering.record` returns (the latter
puts it into a `journal`, from where it enters the log moments later); an event enqueued in a
transaction is in the log exactly if the transaction is; sequence numbers have no gaps; whatever is
changed, removed, swapped or put back to an older state is found by `verify` with the checkpoints,
and nothing in an event names a person or shows a value. Needs an open store and a clock.

Start at `AuditLog.record`; `catalogue` lists what can be recorded, `leaf` the bytes that are
stored, `checkpoints` signs the state of the log, `verify` proves or disproves it.
"""

from secvault.audit.event import Actor, DecisionNote, Event
from secvault.audit.log import AuditLog

__all__ = ["Actor", "AuditLog", "DecisionNote", "Event"]
