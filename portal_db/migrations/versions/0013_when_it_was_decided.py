"""when a wait, a due time and a leader's lease were decided, so that a clock that went back is noticed

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_COLUMNS = {"jobs": "parked_at", "schedules": "planned_at", "leaders": "renewed_at"}


def upgrade() -> None:
    for table, column in _COLUMNS.items():
        op.add_column(table, sa.Column(column, sa.DateTime(timezone=True)))


def downgrade() -> None:
    for table, column in _COLUMNS.items():
        op.drop_column(table, column)
