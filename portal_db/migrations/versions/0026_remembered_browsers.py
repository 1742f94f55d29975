"""browsers that are not asked for the second factor again

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("practices", sa.Column("remember_browsers", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("second_factors", sa.Column("browsers_key", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("second_factors", "browsers_key")
    op.drop_column("practices", "remember_browsers")
