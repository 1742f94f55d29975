"""terms of use of practices, and who accepted which of them

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "terms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("practice_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(length=20000), nullable=True),
        sa.Column("url", sa.String(length=2000), nullable=True),
        sa.Column("set_by", sa.Uuid(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("text IS NULL OR url IS NULL", name=op.f("ck_terms_one_form")),
        sa.ForeignKeyConstraint(["practice_id"], ["practices.id"], name=op.f("fk_terms_practice_id")),
        sa.ForeignKeyConstraint(["set_by"], ["staff.id"], name=op.f("fk_terms_set_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms")),
    )
    op.create_index("ix_terms_newest", "terms", ["practice_id", "id"])
    op.create_table(
        "terms_acceptances",
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("terms_id", sa.Uuid(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name=op.f("fk_terms_acceptances_login_id")),
        sa.ForeignKeyConstraint(["terms_id"], ["terms.id"], name=op.f("fk_terms_acceptances_terms_id")),
        sa.PrimaryKeyConstraint("login_id", "terms_id", name=op.f("pk_terms_acceptances")),
    )


def downgrade() -> None:
    op.drop_table("terms_acceptances")
    op.drop_index("ix_terms_newest", table_name="terms")
    op.drop_table("terms")
