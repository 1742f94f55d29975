"""xpm_connections: when Xero first denied access, so that a denial of a moment breaks nothing

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("xpm_connections", sa.Column("denied_at", sa.DateTime(timezone=True), nullable=True))
