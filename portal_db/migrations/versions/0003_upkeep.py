"""upkeep: scheduled runs, restores, erasures, and when a link's XPM record was last looked for

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scheduled_runs",
        sa.Column("schedule", sa.String(length=40), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.String(length=100), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("schedule", "due_at", name=op.f("pk_scheduled_runs")),
    )
    op.create_table(
        "restores",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("begun_by", sa.Uuid(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["begun_by"], ["operators.id"], name=op.f("fk_restores_begun_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restores")),
    )
    op.create_table(
        "erasures",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("xpm_uuid", sa.Uuid(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_erasures_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "xpm_uuid", name=op.f("pk_erasures")),
    )
    op.add_column("xpm_links", sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("xpm_links", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("xpm_links", "gone_at")
    op.drop_column("xpm_links", "checked_at")
    op.drop_table("erasures")
    op.drop_table("restores")
    op.drop_table("scheduled_runs")
