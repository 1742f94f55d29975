"""Alembic's entry: runs the migrations on the connection that `portal_db.migrate` hands over."""

from alembic import context

from portal_db.tables import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
