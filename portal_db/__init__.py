"""The record: tables, migrations, queries and units of work, on SQLite and PostgreSQL alike. All SQL text lives here."""
