"""indexes of rung jobs by lane and by practice, and of those put off by the quota by whether somebody waits

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_RUNG = "state IN ('queued', 'waiting') AND rung_at IS NOT NULL"
_QUOTA = "state = 'waiting' AND error_code = 'xpm_quota'"


def upgrade() -> None:
    for name in ("ix_jobs_rung", "ix_jobs_quota"):
        op.drop_index(name, table_name="jobs")
    _create("ix_jobs_rung", ["lane", "rung_at"], _RUNG)
    _create("ix_jobs_in_flight", ["practice_id", "interactive", "rung_at", "lane"], _RUNG)
    _create("ix_jobs_quota", ["interactive", "practice_id", "lane", "kind"], _QUOTA)


def downgrade() -> None:
    for name in ("ix_jobs_rung", "ix_jobs_in_flight", "ix_jobs_quota"):
        op.drop_index(name, table_name="jobs")
    _create("ix_jobs_rung", ["rung_at"], _RUNG)
    _create("ix_jobs_quota", ["practice_id", "lane", "kind"], _QUOTA)


def _create(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "jobs", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
