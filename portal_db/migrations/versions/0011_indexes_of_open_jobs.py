"""indexes of open jobs only

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_UNRUNG = ["interactive", "practice_id", "lane", "kind", "asked_at", "position", "created_at", "id"]
_PARTIAL = {
    "ix_jobs_unrung": (_UNRUNG, "state IN ('queued', 'waiting') AND rung_at IS NULL"),
    "ix_jobs_rung": (["rung_at"], "state IN ('queued', 'waiting') AND rung_at IS NOT NULL"),
    "ix_jobs_running": (["lease_owner"], "state = 'running'"),
    "ix_jobs_quota": (["practice_id", "lane", "kind"], "state = 'waiting' AND error_code = 'xpm_quota'"),
}


def upgrade() -> None:
    for name, (columns, where) in _PARTIAL.items():
        op.create_index(name, "jobs", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
    op.drop_index("ix_jobs_open", table_name="jobs")
    op.drop_index("ix_jobs_lease", table_name="jobs")


def downgrade() -> None:
    op.create_index("ix_jobs_lease", "jobs", ["lease_owner", "state"])
    op.create_index("ix_jobs_open", "jobs", ["state", "practice_id", "lane", "created_at"])
    for name in _PARTIAL:
        op.drop_index(name, table_name="jobs")
