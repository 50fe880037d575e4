"""The one set of tables, how their constraints are named, and the epochs over all of them."""

from __future__ import annotations

from sqlalchemy import Column, MetaData, Table

from secvault.store.written import BigInteger, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# A number grows with every change of its kind that each process must notice; see `store.epoch`.
epoch = Table(
    "epoch",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
