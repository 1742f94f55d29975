"""relationships in review: folded items, co-owners, what was synced, histories of clients and summaries of re-syncs

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: One role told from two sides, or spelled in several ways, becomes one item (`handlers.relationships.labels`).
SPELLINGS = {"appointor": "appointer", "partnership": "partner", "husband": "spouse", "wife": "spouse"}


def upgrade() -> None:
    _add_columns()
    _add_tables()
    op.execute(
        """UPDATE relationships SET label_key = substr(label_key, 1, length(label_key) - 3)
        WHERE label_key LIKE '% of' AND NOT EXISTS (
            SELECT 1 FROM relationships AS other WHERE other.client_id = relationships.client_id
            AND other.other_xpm_uuid = relationships.other_xpm_uuid
            AND other.label_key = substr(relationships.label_key, 1, length(relationships.label_key) - 3))"""
    )
    for spelling, role in SPELLINGS.items():
        op.execute(
            sa.text(
                """UPDATE relationships SET label_key = :role WHERE label_key = :spelling AND NOT EXISTS (
                SELECT 1 FROM relationships AS other WHERE other.client_id = relationships.client_id
                AND other.other_xpm_uuid = relationships.other_xpm_uuid AND other.label_key = :role)"""
            ).bindparams(role=role, spelling=spelling)
        )
    # Clients whose relationships were imported take part in re-syncs; nobody knows what their records were then.
    op.execute(
        """UPDATE xpm_links SET synced_hash = '' WHERE disconnected_at IS NULL AND client_id IN (
            SELECT client_id FROM imports WHERE bring_relationships AND client_id IS NOT NULL)"""
    )


def _add_columns() -> None:
    op.add_column("relationships", sa.Column("also_told", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("relationships", sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_relationships_queue", "relationships", ["practice_id", "state", "id"])
    op.add_column(
        "team_members", sa.Column("name_is_override", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("xpm_links", sa.Column("told_as_of", sa.DateTime(timezone=True), nullable=True))
    op.add_column("xpm_links", sa.Column("import_begun_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("xpm_links", sa.Column("synced_hash", sa.String(length=64), nullable=True))


def _add_tables() -> None:
    op.create_table(
        "co_owners",
        sa.Column("team_member_id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["team_member_id"], ["team_members.id"], name=op.f("fk_co_owners_team_member_id")),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_co_owners_login_id")),
        sa.PrimaryKeyConstraint("team_member_id", name=op.f("pk_co_owners")),
        sa.UniqueConstraint("login_id", name=op.f("uq_co_owners_login_id")),
    )
    op.create_table(
        "client_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                *("import", "resync", "reviewer", "staff"),
                name="change_source",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("staff_id", sa.Uuid(), nullable=True),
        sa.Column("import_id", sa.Uuid(), nullable=True),
        sa.Column("sync_id", sa.Uuid(), nullable=True),
        sa.Column("about", sa.String(length=20), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=True),
        sa.Column("about_name", sa.Text(), nullable=True),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "client_id"],
            ["clients.practice_id", "clients.id"],
            name=op.f("fk_client_changes_practice_id_client_id"),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_client_changes_practice_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_client_changes_staff_id")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_client_changes_import_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_changes")),
    )
    op.create_index("ix_client_changes_client", "client_changes", ["client_id", "id"])
    numbers = ("clients", "added", "changed", "ended", "conflicts", "waiting")
    op.create_table(
        "relationship_syncs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("directory_id", sa.Uuid(), nullable=False),
        sa.Column("sync_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in numbers),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_relationship_syncs_practice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relationship_syncs")),
        sa.UniqueConstraint("practice_id", "sync_id", name=op.f("uq_relationship_syncs_practice_id_sync_id")),
    )


def downgrade() -> None:
    op.drop_table("relationship_syncs")
    op.drop_index("ix_client_changes_client", table_name="client_changes")
    op.drop_table("client_changes")
    op.drop_table("co_owners")
    for column in ("synced_hash", "import_begun_at", "told_as_of"):
        op.drop_column("xpm_links", column)
    op.drop_column("team_members", "name_is_override")
    op.drop_index("ix_relationships_queue", table_name="relationships")
    op.drop_column("relationships", "gone_at")
    op.drop_column("relationships", "also_told")
