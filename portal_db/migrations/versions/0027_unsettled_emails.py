"""an index of the welcome emails that are not settled

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


_UNSETTLED = sa.text("state IN ('pending', 'sending', 'unknown')")


def upgrade() -> None:
    op.create_index(
        "ix_welcome_emails_unsettled", "welcome_emails", ["state"], postgresql_where=_UNSETTLED, sqlite_where=_UNSETTLED
    )


def downgrade() -> None:
    op.drop_index("ix_welcome_emails_unsettled", table_name="welcome_emails")
