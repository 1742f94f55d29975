"""where a session began: network address and user agent

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff_sessions", sa.Column("address", sa.String(length=45), nullable=True))
    op.add_column("staff_sessions", sa.Column("agent", sa.String(length=200), nullable=True))


def downgrade() -> None:
    op.drop_column("staff_sessions", "agent")
    op.drop_column("staff_sessions", "address")
