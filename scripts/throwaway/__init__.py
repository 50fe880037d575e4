"""Throwaway servers for tests and benchmarks: real ones, on free loopback ports, in one folder.

Promise: each server has data, ports and random passwords of its own, so that any number of them
stand side by side; what was started can always be ended, from this process or from a later one, and
nothing else is ever ended. Their data is worth nothing: durability is traded for speed.

Needs: Linux and the standard library only; the servers' programs come from the distribution's
packages (`programs.py`), OpenBao from its lock in `requirements/openbao.txt`.

Start reading at `serve.start`; a server is one file with one function, `start(site)`.
"""
