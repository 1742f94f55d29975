"""an endpoint of webhooks has one open test and one delivery in flight at a time; slow ones rest

Revision ID: 0044
Revises: 0043
"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("webhook_endpoints") as batch:
        batch.add_column(sa.Column("test_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("sending_job_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("sending_until", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("slow_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_webhook_deliveries_job", "webhook_deliveries", ["job_id"])


def downgrade() -> None:
    op.drop_index("ix_webhook_deliveries_job", table_name="webhook_deliveries")
    with op.batch_alter_table("webhook_endpoints") as batch:
        batch.drop_column("slow_since")
        batch.drop_column("sending_until")
        batch.drop_column("sending_job_id")
        batch.drop_column("test_id")
