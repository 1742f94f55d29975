"""The record: tables, migrations, queries and transactions, for SQLite and PostgreSQL alike. All SQL lives here."""
