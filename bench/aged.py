"""Functions of the database for rows as if they had been added in the past; ids are in the order of time, as in ours."""

from __future__ import annotations

from sqlalchemy import text

from portal_db.database import Database

#: Seconds over which a year's rows are spread.
YEAR = 365 * 86_400

_FUNCTIONS = (
    # The moment so many seconds ago
    """
    CREATE OR REPLACE FUNCTION past(ago float) RETURNS timestamptz LANGUAGE sql STABLE AS
    $$ SELECT now() - ago * interval '1 second' $$""",
    # An id of version 7 from then
    """
    CREATE OR REPLACE FUNCTION id_from(ago float) RETURNS uuid LANGUAGE sql VOLATILE AS
    $$ SELECT (lpad(to_hex((extract(epoch FROM past(ago)) * 1000)::bigint), 12, '0') || '7'
               || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid $$""",
)


def add_functions(database: Database) -> None:
    """Add `past` and `id_from` to a database of a measurement."""
    with database.write() as tx:
        for function in _FUNCTIONS:
            tx.session.execute(text(function))
