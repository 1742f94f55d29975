"""imports are found by their record and by their email, before their practice or batch

Revision ID: 0049
Revises: 0048
"""

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_imports_record", table_name="imports")
    op.create_index("ix_imports_record", "imports", ["xpm_uuid", "practice_id"])
    op.drop_index("ix_imports_batch_email", table_name="imports")
    op.create_index("ix_imports_email", "imports", ["email_key", "practice_id"])


def downgrade() -> None:
    op.drop_index("ix_imports_email", table_name="imports")
    op.create_index("ix_imports_batch_email", "imports", ["batch_id", "email_key"])
    op.drop_index("ix_imports_record", table_name="imports")
    op.create_index("ix_imports_record", "imports", ["practice_id", "xpm_uuid"])
