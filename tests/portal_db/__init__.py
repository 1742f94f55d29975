"""The record: what the database itself decides, on SQLite and on PostgreSQL."""
