"""workers: those that are running, with the kinds of job they know; and revisions that break older releases

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lasts_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_workers")),
    )
    op.create_table(
        "worker_kinds",
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("lane", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["owner"], ["workers.owner"], name=op.f("fk_worker_kinds_owner_workers")),
        sa.PrimaryKeyConstraint("owner", "lane", "kind", name=op.f("pk_worker_kinds")),
    )
    op.create_table(
        "breaking_revisions",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_breaking_revisions")),
    )


def downgrade() -> None:
    for name in ("breaking_revisions", "worker_kinds", "workers"):
        op.drop_table(name)
