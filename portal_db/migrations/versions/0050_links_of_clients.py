"""links are found by their client whether they are live or not

Revision ID: 0050
Revises: 0049
"""

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_xpm_links_client", "xpm_links", ["client_id"])


def downgrade() -> None:
    op.drop_index("ix_xpm_links_client", table_name="xpm_links")
