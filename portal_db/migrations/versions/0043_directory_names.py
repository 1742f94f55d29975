"""a directory's names are searched in an index, without reading the records

Revision ID: 0043
Revises: 0042
"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_NAMES = ["xero_login_id", "tenant_id", "name_key", "xpm_uuid", "is_deleted"]
_WHERE = sa.text("gone_at IS NULL")


def upgrade() -> None:
    op.create_index(
        "ix_directory_records_names", "directory_records", _NAMES, postgresql_where=_WHERE, sqlite_where=_WHERE
    )
    op.drop_index("ix_directory_records_search", table_name="directory_records")


def downgrade() -> None:
    op.create_index("ix_directory_records_search", "directory_records", ["xero_login_id", "tenant_id", "name_key"])
    op.drop_index("ix_directory_records_names", table_name="directory_records")
