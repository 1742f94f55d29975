"""schedules: what is due again and again, and what came of its due times

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("directory_id", sa.Uuid(), nullable=True),
        sa.Column(
            "mode",
            sa.Enum("full", "incremental", name="sync_mode", native_enum=False, create_constraint=True, length=40),
            nullable=True,
        ),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("skipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("skipped_code", sa.String(length=64), nullable=True),
        sa.Column("skipped_why", sa.String(length=500), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.Uuid(), nullable=True),
        sa.Column("paused_why", sa.String(length=500), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["directory_id"], ["directories.id"], name=op.f("fk_schedules_directory_id")),
        sa.ForeignKeyConstraint(["paused_by"], ["operators.id"], name=op.f("fk_schedules_paused_by")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
        sa.UniqueConstraint("directory_id", "mode", name=op.f("uq_schedules_directory_id_mode")),
    )
    op.create_index("ix_schedules_next_due_at", "schedules", ["next_due_at"])
    op.add_column("scheduled_runs", sa.Column("job_id", sa.Uuid(), nullable=True))
    op.add_column("scheduled_runs", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("scheduled_runs", sa.Column("succeeded", sa.Boolean(), nullable=True))


def downgrade() -> None:
    for name in ("succeeded", "ended_at", "job_id"):
        op.drop_column("scheduled_runs", name)
    op.drop_index("ix_schedules_next_due_at", table_name="schedules")
    op.drop_table("schedules")
