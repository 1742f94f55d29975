"""an operator has one account at the organisation's OpenID provider

Revision ID: 0046
Revises: 0045
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("operators") as batch:
        batch.add_column(sa.Column("account_hash", sa.String(64), nullable=True))
    op.create_index("ix_operators_account_hash", "operators", ["account_hash"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_operators_account_hash", table_name="operators")
    with op.batch_alter_table("operators") as batch:
        batch.drop_column("account_hash")
