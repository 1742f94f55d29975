"""clients: how people are addressed, and what lists are sorted by

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_COLUMNS = ("sort_key", "given_name")


def upgrade() -> None:
    """Clients are sorted as they are searched until XPM's next answer says which name is the last."""
    for column in _COLUMNS:
        op.add_column("clients", sa.Column(column, sa.String(length=500), nullable=True))
    op.execute(sa.text("UPDATE clients SET sort_key = name_key"))


def downgrade() -> None:
    for column in _COLUMNS:
        op.drop_column("clients", column)
