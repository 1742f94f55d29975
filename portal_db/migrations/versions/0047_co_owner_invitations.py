"""staff invite a client's co-owner, as they invite the client

Revision ID: 0047
Revises: 0046
"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_STATES = ("pending", "sending", "sent", "refused", "unknown", "cancelled")


def upgrade() -> None:
    state = sa.Enum(*_STATES, name="email_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "co_owner_invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("message_id", sa.String(length=200), nullable=False),
        sa.Column("sending_token", sa.Uuid(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("token_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("token_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_co_owner_invitations_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_co_owner_invitations")),
        sa.UniqueConstraint("login_id", name=op.f("uq_co_owner_invitations_login_id")),
        sa.UniqueConstraint("message_id", name=op.f("uq_co_owner_invitations_message_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_co_owner_invitations_token_hash")),
    )


def downgrade() -> None:
    op.drop_table("co_owner_invitations")
