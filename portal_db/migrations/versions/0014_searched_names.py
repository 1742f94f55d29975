"""clients and relationships: names as searches compare them

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from config.folding import name_key

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

#: By table: the column of the folded names, and the columns they are made of.
_KEYS = {"clients": ("name_key", ("name",)), "relationships": ("search_key", ("other_name", "label"))}
#: Rows that are folded at once.
_PIECE = 1_000


def upgrade() -> None:
    for table, (key, parts) in _KEYS.items():
        op.add_column(table, sa.Column(key, sa.String(length=500), nullable=True))
        _fold(table, key, parts)


def _fold(table: str, key: str, parts: tuple[str, ...]) -> None:
    connection = op.get_bind()
    rows = sa.table(table, sa.column("id", sa.Uuid()), *map(sa.column, (*parts, key)))
    page = sa.select(rows.c.id, *(rows.c[part] for part in parts)).order_by(rows.c.id).limit(_PIECE)
    update = sa.update(rows).where(rows.c.id == sa.bindparam("row_id")).values({key: sa.bindparam("folded")})
    found = connection.execute(page).all()
    while found:
        connection.execute(update, [{"row_id": row_id, "folded": name_key(*texts)} for row_id, *texts in found])
        found = connection.execute(page.where(rows.c.id > found[-1].id)).all()


def downgrade() -> None:
    for table, (key, _) in _KEYS.items():
        op.drop_column(table, key)
