"""The levels of a drill that look into secvault's own copy: is it this vault, does it open, does it
serve?

Promises: the copy is opened in scratch with the keys that are in escrow; its audit log is proven to
be what the live one began with; a service that is really started from it can reach nothing outside
of itself. Needs the open live service, which is only read. Start reading at `levels`.
"""

from secvault.service.drill_levels.levels import OwnLevels, own_levels
from secvault.service.drill_levels.room import room_for

__all__ = ["OwnLevels", "own_levels", "room_for"]
