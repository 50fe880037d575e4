"""Alembic's entry: runs the migrations on the connection, and in the transaction, of the caller."""

from alembic import context

from secvault.store.tables import metadata
from secvault.store.written import type_differs

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    compare_type=type_differs,
)
with context.begin_transaction():
    context.run_migrations()
