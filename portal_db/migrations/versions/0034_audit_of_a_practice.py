"""where an act came from, and indexes for a practice's page of its acts

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

#: Of the acts of people, which are few beside what the system does: name, columns, condition.
_INDEXES = (
    ("ix_audit_people", ["practice_id", "id"], "actor <> 'system'"),
    ("ix_audit_addresses", ["at"], "address IS NOT NULL"),
)

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("audit", sa.Column("address", sa.String(length=45), nullable=True))
    for name, columns, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, "audit", columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, _, _ in reversed(_INDEXES):
        op.drop_index(name, "audit")
    op.drop_column("audit", "address")
