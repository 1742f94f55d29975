"""operators sign in: roles, sessions, and an index of what they did

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op

#: Indexes of what is few and waits for a person or is looked at: name, table, columns, condition.
_INDEXES = (
    ("ix_audit_operators", "audit", ["actor_id", "id"], "actor = 'operator'"),
    ("ix_directory_syncs_held", "directory_syncs", ["directory_id"], "state = 'held'"),
    ("ix_xpm_links_gone", "xpm_links", ["gone_at", "id"], "disconnected_at IS NULL AND gone_at IS NOT NULL"),
    ("ix_xpm_links_connection", "xpm_links", ["connection_id"], "disconnected_at IS NULL"),
)

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("operators", sa.Column("role", sa.String(length=20), nullable=False, server_default="admin"))
    op.add_column("operators", sa.Column("left_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "operator_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("operator_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idle_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_operator_sessions_operator_id_operators")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_operator_sessions_token_hash")),
    )
    op.create_index("ix_operator_sessions_operator_id", "operator_sessions", ["operator_id"])
    for name, table, columns, condition in _INDEXES:
        where = sa.text(condition)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, table, _, _ in reversed(_INDEXES):
        op.drop_index(name, table)
    op.drop_table("operator_sessions")
    op.drop_column("operators", "left_at")
    op.drop_column("operators", "role")
