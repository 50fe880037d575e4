"""Rows: the tables, the engine that holds them (SQLite or PostgreSQL) and their migrations.

Promises: a write is one transaction that is on disk when `Store.write` ends without an error;
readers never see half of it. The same statements run on both engines. Needs the address of a
database, nothing else. Start reading at `secvault.store.engine`.
"""

from secvault.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
