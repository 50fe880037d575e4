"""Emergency access: at once, for an hour, with an alarm, and with a review that must follow.

Promises: only who was prepared for it by two people gets it; everybody who matters is told at once;
it takes things away and opens nothing that stays open; somebody else must say what they found, or
the right to it lapses. Start reading at `operations.start`.
"""
