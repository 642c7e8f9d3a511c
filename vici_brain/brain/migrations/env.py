"""Alembic's entry: runs the migrations over the connection that brain.migrate hands in; there is no other way in."""

from alembic import context

from vici_brain.brain.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table="vici_brain_migrations"
)
with context.begin_transaction():
    context.run_migrations()
