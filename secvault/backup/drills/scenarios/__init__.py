"""Scenario drills: a loss is assumed, and what would bring the company back is done in earnest.

Promises: nothing of production is written to, renamed, stopped or deleted; what is "lost" is lost
for the drill alone, which works as if it were not there. What is restored lies in secvault's own
scratch space and servers of its own, and is removed whatever happens. The one thing that is written
to a real repository is a probe of a few bytes beside it (`ransomware`). What a scenario leaves open
is said. Needs the levels of drills. Start reading at `script`, then any of the plays.
"""
