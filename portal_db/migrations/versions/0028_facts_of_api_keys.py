"""API keys: who made one, its lifetime and its last use; and the key behind an entry of the audit trail

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("api_keys", "lifetime_days", sa.Integer()),
    ("api_keys", "made_by", sa.Uuid()),
    ("api_keys", "last_used_at", sa.DateTime(timezone=True)),
    ("audit", "via_key_id", sa.Uuid()),
)


def upgrade() -> None:
    for table, name, kind in _COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for table, name, _ in reversed(_COLUMNS):
        op.drop_column(table, name)
