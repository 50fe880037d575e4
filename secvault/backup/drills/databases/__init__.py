"""Databases of a snapshot, loaded into servers of the drill's own and asked.

Promises: a scratch server lies in the drill's scratch space, answers on a socket in it and on no
network, and ends with the drill, with secvault, or at the latest when the next drill sweeps. A dump
is hostile input: it is loaded by an account that may do nothing but fill databases, into a server
that runs as nobody where secvault is root, with no network where the machine allows that.
Start reading at `level`, then `servers`.
"""
