"""a lane for webhooks

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_BEFORE = "'interactive', 'import', 'resync', 'email'"
_AFTER = f"{_BEFORE}, 'webhooks'"


def upgrade() -> None:
    _change(_BEFORE, _AFTER)


def downgrade() -> None:
    for table in ("jobs", "pauses"):
        op.execute(sa.text(f"UPDATE {table} SET lane = 'email' WHERE lane = 'webhooks'"))  # noqa: S608 -- our own constants
    _change(_AFTER, _BEFORE)


def _change(before: str, after: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        _change_in_schema(before, after)
        return
    for table in ("jobs", "pauses"):
        name = op.f(f"ck_{table}_lane")
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, f"lane IN ({after})")


def _change_in_schema(before: str, after: str) -> None:
    """SQLite cannot change a constraint, and a table that others point to cannot be made anew in a transaction with foreign
    keys on. Changing the stored text is how its manual says to change a CHECK (lang_altertable.html, section 7)."""
    connection = op.get_bind()
    version = connection.execute(sa.text("PRAGMA schema_version")).scalar_one()
    connection.execute(sa.text("PRAGMA writable_schema = ON"))
    statement = "UPDATE sqlite_master SET sql = replace(sql, :before, :after) WHERE type = 'table' AND name IN ('jobs', 'pauses')"
    connection.execute(sa.text(statement), {"before": f"lane IN ({before})", "after": f"lane IN ({after})"})
    connection.execute(sa.text(f"PRAGMA schema_version = {version + 1}"))  # other connections read the schema anew
    connection.execute(sa.text("PRAGMA writable_schema = OFF"))
