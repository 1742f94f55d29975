"""names in the directory as searches compare them now

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

from config.folding import fold_name

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_records = sa.table(
    "directory_records",
    sa.column("xero_login_id", sa.Uuid()),
    sa.column("tenant_id", sa.String()),
    sa.column("xpm_uuid", sa.Uuid()),
    sa.column("record", sa.JSON()),
    sa.column("name_key", sa.String()),
)


def upgrade() -> None:
    connection, columns = op.get_bind(), _records.c
    found = connection.execute(
        sa.select(
            columns.xero_login_id,
            columns.tenant_id,
            columns.xpm_uuid,
            columns.record["name"].as_string(),
            columns.name_key,
        ).where(columns.name_key.is_not(None))
    )
    changed = [
        {"login": login, "tenant": tenant, "uuid": uuid, "folded": folded}
        for login, tenant, uuid, name, key in found
        if name is not None and (folded := fold_name(name)[:500]) != key
    ]
    if changed:
        connection.execute(
            sa.update(_records)
            .where(
                columns.xero_login_id == sa.bindparam("login"),
                columns.tenant_id == sa.bindparam("tenant"),
                columns.xpm_uuid == sa.bindparam("uuid"),
            )
            .values(name_key=sa.bindparam("folded")),
            changed,
        )


def downgrade() -> None:
    """The names stay as they are: the release before finds them less well, and folds them again at the next change."""
