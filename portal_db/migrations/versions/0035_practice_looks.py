"""how a practice's client pages and emails look

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "practice_looks",
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=True),
        sa.Column("welcome_text", sa.String(length=600), nullable=True),
        sa.Column("logo", sa.LargeBinary(), nullable=True),
        sa.Column("logo_type", sa.String(length=20), nullable=True),
        sa.Column("logo_digest", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_practice_looks_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", name=op.f("pk_practice_looks")),
    )


def downgrade() -> None:
    op.drop_table("practice_looks")
