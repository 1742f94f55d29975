"""a directory's records are found by their client code, in the index of their names

Revision ID: 0045
Revises: 0044
"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

_INDEX, _TABLE = "ix_directory_records_names", "directory_records"
_BEFORE = ["xero_login_id", "tenant_id", "name_key", "xpm_uuid", "is_deleted"]
_WHERE = sa.text("gone_at IS NULL")


def upgrade() -> None:
    for table in (_TABLE, "directory_staged"):
        op.add_column(table, sa.Column("code_key", sa.String(length=64), nullable=True))
    op.drop_index(_INDEX, table_name=_TABLE)
    op.create_index(_INDEX, _TABLE, [*_BEFORE, "code_key"], postgresql_where=_WHERE, sqlite_where=_WHERE)


def downgrade() -> None:
    op.drop_index(_INDEX, table_name=_TABLE)
    op.create_index(_INDEX, _TABLE, _BEFORE, postgresql_where=_WHERE, sqlite_where=_WHERE)
    for table in (_TABLE, "directory_staged"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("code_key")
