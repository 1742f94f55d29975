"""emails that tell of tasks

Revision ID: 0040
Revises: 0039
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_STATES = ("pending", "sending", "sent", "refused", "unknown", "cancelled")


def upgrade() -> None:
    state = sa.Enum(*_STATES, name="email_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "task_emails",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("sending_token", sa.Uuid(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_emails_task_id")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_task_emails_login_id")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task_emails")),
    )
    op.create_index(op.f("ix_task_emails_login_id"), "task_emails", ["login_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_task_emails_login_id"), table_name="task_emails")
    op.drop_table("task_emails")
