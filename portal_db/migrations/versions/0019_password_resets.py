"""emails with a link to set a forgotten password

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_STATES = ("pending", "sending", "sent", "refused", "unknown", "cancelled")


def upgrade() -> None:
    state = sa.Enum(*_STATES, name="email_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "password_resets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("sending_token", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_password_resets_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_password_resets")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_password_resets_token_hash")),
    )
    op.create_index(op.f("ix_password_resets_login_id"), "password_resets", ["login_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_password_resets_login_id"), table_name="password_resets")
    op.drop_table("password_resets")
