"""the clients' side: their sessions, their sign-ins in the log, and what they answer to tasks

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "client_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idle_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("agent", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_client_sessions_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_client_sessions_token_hash")),
    )
    op.create_index(op.f("ix_client_sessions_login_id"), "client_sessions", ["login_id"])
    op.add_column("sign_in_log", sa.Column("login_id", sa.Uuid(), nullable=True))
    op.create_index(op.f("ix_sign_in_log_login_id"), "sign_in_log", ["login_id"])
    op.add_column("tasks", sa.Column("answer", sa.String(length=5000), nullable=True))


def downgrade() -> None:
    op.drop_column("tasks", "answer")
    op.drop_index(op.f("ix_sign_in_log_login_id"), table_name="sign_in_log")
    op.drop_column("sign_in_log", "login_id")
    op.drop_index(op.f("ix_client_sessions_login_id"), table_name="client_sessions")
    op.drop_table("client_sessions")
