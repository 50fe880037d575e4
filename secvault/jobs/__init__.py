"""Jobs: schedules, and long work that survives whatever is killed.

Promises: a due moment becomes one job, on however many nodes and whatever the clock does; a job
that was asked for is done, and after a kill it goes on at the first step without a written result;
what could not run is recorded as missed. Steps are given in by the rooms that know the work, and
must be safe to do twice. Needs a store, a clock, and a database for its checkpoints (a SQLite file
of its own, or PostgreSQL). Importing it costs nothing; the engine is loaded by `Worker.start`.
Start reading at `secvault.jobs.worker.Worker`; to ask for work, at `secvault.jobs.queue.request`.
"""

from secvault.jobs.calendar import Schedule
from secvault.jobs.queue import Job, request
from secvault.jobs.worker import Apart, Place, Worker
from secvault.jobs.workflow import JobContext, Step, Workflow

__all__ = [
    "Apart",
    "Job",
    "JobContext",
    "Place",
    "Schedule",
    "Step",
    "Worker",
    "Workflow",
    "request",
]
