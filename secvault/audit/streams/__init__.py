"""Streams: the log is sent on to syslog, a webhook or a bucket as it grows.

Promises: every event of the log from a stream's first one on reaches its receiver at least once
and in order, whatever is killed; a stream's place moves only after the receiver has acknowledged,
and lies in the store; no request waits for a receiver. Needs the store and the settings. Start
reading at `delivery`, then `place`; one file for each kind of receiver.
"""
