"""indexes of a practice's imports in the order of their listing, and of those that are open

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


_OPEN = sa.text("state IN ('accepted', 'in_progress', 'waiting')")


def upgrade() -> None:
    columns = ["practice_id", "created_at", "id"]
    op.drop_index("ix_imports_listing", table_name="imports")
    op.create_index("ix_imports_listing", "imports", columns)
    op.create_index("ix_imports_open", "imports", columns, postgresql_where=_OPEN, sqlite_where=_OPEN)


def downgrade() -> None:
    op.drop_index("ix_imports_open", table_name="imports")
    op.drop_index("ix_imports_listing", table_name="imports")
    op.create_index("ix_imports_listing", "imports", ["practice_id", "created_at"])
