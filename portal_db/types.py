"""Column types and the database's clock, for SQLite and PostgreSQL alike."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Dialect, Enum, ScalarSelect, TypeDecorator, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement


class UtcDateTime(TypeDecorator[datetime]):
    """An instant in UTC. PostgreSQL keeps a timestamptz, SQLite the text `YYYY-MM-DD HH:MM:SS.ffffff`, which sorts."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 -- SQLAlchemy's
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class db_now(FunctionElement[datetime]):
    """The database's time, plus a number or column of seconds. Leases, due times and leaders go by this clock only."""

    name = "db_now"
    inherit_cache = True
    type = UtcDateTime()

    def __init__(self, plus_seconds: Any = None) -> None:
        super().__init__(*([plus_seconds] if plus_seconds is not None else []))


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    moved = f", {compiler.process(element.clauses, **kw)} || ' seconds'" if len(element.clauses) else ""
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now'{moved})"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    if not len(element.clauses):
        return "clock_timestamp()"
    seconds = compiler.process(element.clauses, **kw)
    return f"(clock_timestamp() + make_interval(secs => CAST({seconds} AS double precision)))"


def has_ended(until: Any, longest_seconds: float) -> ColumnElement[bool]:
    """Whether a wait is over, or never was one: it would end later than one that begins now and lasts as long as any does,
    so it began before the database's clock went back."""
    return or_(until.is_(None), until <= db_now(), until > db_now(longest_seconds))


def db_time(plus_seconds: float | None = None) -> ScalarSelect[datetime]:
    """`db_now`, read once for a statement: an index of times serves only comparisons with a value that stays the same."""
    return select(db_now(plus_seconds)).scalar_subquery()


class Choice(TypeDecorator[enum.StrEnum]):
    """A column that holds one of an enumeration's values as text, enforced by a CHECK constraint.

    While a newer release runs beside this one, a row may hold a value that only that release knows. It reads as a member
    that equals no other and is shown as the text that it is, so that no list ends in an error.
    """

    impl = Enum
    cache_ok = True

    def __init__(self, values: type[enum.StrEnum], name: str) -> None:
        super().__init__(
            values,
            name=name,
            native_enum=False,
            create_constraint=True,
            length=40,
            values_callable=lambda members: [member.value for member in members],
        )
        self.values = values  # part of the key under which statements are cached
        self._members = _Members(values)

    def result_processor(self, dialect: Dialect, coltype: Any) -> Callable[[Any], Any]:  # noqa: ARG002 -- SQLAlchemy's
        return self._members.__getitem__


class _Members(dict[str | None, enum.StrEnum | None]):
    """An enumeration's members by their values, and one for each unknown value that was read."""

    def __init__(self, values: type[enum.StrEnum]) -> None:
        super().__init__({member.value: member for member in values})
        self[None] = None
        self._values = values

    def __missing__(self, value: str) -> enum.StrEnum:
        unknown = str.__new__(self._values, value)
        unknown._name_, unknown._value_ = value.upper(), value
        self[value] = unknown
        return unknown


def database_time(session: Session) -> datetime:
    """The current time by the database's clock."""
    return session.execute(select(db_now())).scalar_one()
