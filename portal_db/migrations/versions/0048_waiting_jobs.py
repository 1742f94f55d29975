"""jobs that wait are found by what they wait for

Revision ID: 0048
Revises: 0047
"""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    waits = sa.text("state = 'waiting'")
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["error_code", "next_attempt_at", "id"],
        sqlite_where=waits,
        postgresql_where=waits,
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_waiting", table_name="jobs")
