"""directory: snapshots of what logins see in XPM, their syncs, and practices' words for structures

Revision ID: 0005
Revises: 0004
"""

from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RUNNING = sa.text("state = 'running'")


def upgrade() -> None:
    _directories()
    _syncs()
    _structures()
    _records()
    _of_connections()


def _of(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=40)


def _directories() -> None:
    op.create_table(
        "directories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("xero_login_id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("cursor", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_full_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_incremental_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["xero_login_id"], ["xero_logins.id"], name=op.f("fk_directories_xero_login_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directories")),
        sa.UniqueConstraint("xero_login_id", "tenant_id", name=op.f("uq_directories_xero_login_id_tenant_id")),
    )


def _syncs() -> None:
    op.create_table(
        "directory_syncs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("directory_id", sa.Uuid(), nullable=False),
        sa.Column("mode", _of("sync_mode", "full", "incremental"), nullable=False),
        sa.Column("state", _of("sync_state", "running", "succeeded", "failed", "held"), nullable=False),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=True)
          for name in ("seen", "added", "changed", "gone", "missing", "unread")),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["directory_id"], ["directories.id"], name=op.f("fk_directory_syncs_directory_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_syncs")),
    )  # fmt: skip
    op.create_index(
        "uq_directory_syncs_running", "directory_syncs", ["directory_id"], unique=True,
        sqlite_where=RUNNING, postgresql_where=RUNNING,
    )  # fmt: skip
    op.create_index("ix_directory_syncs_history", "directory_syncs", ["directory_id", "started_at"])
    op.create_table(
        "directory_staged",
        sa.Column("sync_id", sa.Uuid(), nullable=False),
        sa.Column("xpm_uuid", sa.Uuid(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("name_key", sa.String(length=500), nullable=True),
        sa.Column("structure", sa.String(length=200), nullable=True),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["sync_id"], ["directory_syncs.id"], name=op.f("fk_directory_staged_sync_id")),
        sa.PrimaryKeyConstraint("sync_id", "xpm_uuid", name=op.f("pk_directory_staged")),
    )


def _structures() -> None:
    op.create_table(
        "business_structures",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("structure_key", sa.String(length=200), nullable=False),
        sa.Column("structure", sa.String(length=200), nullable=False),
        sa.Column("kind", _of("client_kind", "individual", "entity"), nullable=False),
        sa.Column(
            "entity_type",
            _of("entity_type", "Company", "Joint Venture", "Other", "Partnership", "Private Company", "Public Company",
                "Sole Trader", "Super Fund", "Trust"),
            nullable=True,
        ),
        sa.Column("set_by", sa.Uuid(), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'entity') = (entity_type IS NOT NULL)", name="ck_business_structures_shape"),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_business_structures_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "structure_key", name=op.f("pk_business_structures")),
    )  # fmt: skip


def _records() -> None:
    """What is kept already gets its hash and key from the next full sync: a worker of the version before writes neither."""
    for name, length in (("content_hash", 64), ("name_key", 500), ("structure", 200)):
        op.add_column("directory_records", sa.Column(name, sa.String(length=length), nullable=True))
    for name in ("is_archived", "is_deleted"):
        flag: sa.Column[bool] = sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())
        op.add_column("directory_records", flag)
    for name in ("first_seen_at", "gone_at", "missing_since", "unread_since"):
        op.add_column("directory_records", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_directory_records_search", "directory_records", ["xero_login_id", "tenant_id", "name_key"])


def _of_connections() -> None:
    """Each login and tenant that is connected has a directory, which the next sync fills."""
    live = sa.text("SELECT DISTINCT xero_login_id, tenant_id FROM xpm_connections WHERE state <> 'disconnected'")
    typed = live.columns(xero_login_id=sa.Uuid(), tenant_id=sa.String())
    now = datetime.now(UTC)
    table = sa.table(
        "directories",
        sa.column("id", sa.Uuid()),
        sa.column("xero_login_id", sa.Uuid()),
        sa.column("tenant_id", sa.String()),
        sa.column("last_used_at", sa.DateTime(timezone=True)),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    rows = [
        {"id": uuid4(), "xero_login_id": login_id, "tenant_id": tenant_id, "last_used_at": now, "created_at": now}
        for login_id, tenant_id in op.get_bind().execute(typed).all()
    ]
    if rows:
        op.bulk_insert(table, rows)


def downgrade() -> None:
    op.drop_index("ix_directory_records_search", table_name="directory_records")
    for name in ("unread_since", "missing_since", "gone_at", "first_seen_at", "is_deleted", "is_archived",
                 "structure", "name_key", "content_hash"):  # fmt: skip
        op.drop_column("directory_records", name)
    op.drop_table("business_structures")
    op.drop_table("directory_staged")
    op.drop_index("ix_directory_syncs_history", table_name="directory_syncs")
    op.drop_index("uq_directory_syncs_running", table_name="directory_syncs")
    op.drop_table("directory_syncs")
    op.drop_table("directories")
