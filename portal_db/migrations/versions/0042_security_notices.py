"""emails about one's own account: what changed of what its owner signs in with, and a key that ends soon

Revision ID: 0042
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_STATES = ("pending", "sending", "sent", "refused", "unknown", "cancelled")


def upgrade() -> None:
    state = sa.Enum(*_STATES, name="email_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "security_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("api_key_id", sa.Uuid(), nullable=True),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("agent", sa.String(length=200), nullable=True),
        sa.Column("state", state, nullable=False),
        sa.Column("sending_token", sa.Uuid(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_security_notices_login_id")),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name=op.f("fk_security_notices_api_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_security_notices")),
        sa.UniqueConstraint("api_key_id", "login_id", name=op.f("uq_security_notices_api_key_id_login_id")),
    )
    op.create_index(op.f("ix_security_notices_login_id"), "security_notices", ["login_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_security_notices_login_id"), table_name="security_notices")
    op.drop_table("security_notices")
