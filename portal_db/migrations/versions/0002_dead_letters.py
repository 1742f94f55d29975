"""dead letters: found by age, grouped by cause

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DEAD = sa.text("state = 'dead'")


def upgrade() -> None:
    # Only adds: a worker of the version before leaves the cause empty, and its dead letters group by kind and code.
    op.add_column("jobs", sa.Column("error_cause", sa.String(length=12), nullable=True))
    op.create_index("ix_jobs_dead", "jobs", ["finished_at", "id"], sqlite_where=DEAD, postgresql_where=DEAD)


def downgrade() -> None:
    op.drop_index("ix_jobs_dead", table_name="jobs", sqlite_where=DEAD, postgresql_where=DEAD)
    op.drop_column("jobs", "error_cause")
