"""Detection: a small set of rules that look at each event of the log once, and raise alerts.

Promises: no event is looked at twice or skipped, whatever is killed; one thing that goes on raises
one alert in each cool-down; steady traffic raises none. Needs the store and the settings. Start
reading at `rules`, which are pure; `watching` follows the log, `alerts` keeps what was raised.
"""
