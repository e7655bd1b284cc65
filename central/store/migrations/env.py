"""Run by Alembic: the migrations, in the transaction of the connection that it is given."""

from alembic import context
from sqlalchemy import Connection

from central.store.schema import metadata

connection = context.config.attributes["connection"]
assert isinstance(connection, Connection)
# `render_as_batch`: SQLite alters a table by making it anew.
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
