"""Statements about many rows, whose text does not grow with their number, and statements that are sent together.

PostgreSQL gets one array for each value, so that its driver and the server know the text again; taking apart a text with the
values of each row was a third of a worker's time. SQLite's driver is faster row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, any_, bindparam, column, delete, func, select, update, values
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import Boolean, TypeEngine

from portal_db.database import Tx
from portal_db.tables import Base

Types = tuple[tuple[str, TypeEngine[Any]], ...]


class Given:
    """The rows that a statement about a table is given, by the names of their values: parameters, or columns of `rows`."""

    def __init__(
        self,
        table: Any,
        types: Mapping[str, TypeEngine[Any]],
        *,
        is_postgresql: bool,
        rows: FromClause | None = None,
        place: int = 0,
    ) -> None:
        self.table = table
        self._is_postgresql = is_postgresql
        self._rows = rows
        self._values: Mapping[str, ColumnElement[Any]]
        if rows is None:
            self._values = {name: bindparam(_parameter(name, place), type_=type_) for name, type_ in types.items()}
        else:
            self._values = {name: rows.c[name] for name in types}

    @property
    def columns(self) -> dict[str, Any]:
        """The values that are columns of the table."""
        return {name: value for name, value in self._values.items() if name in self.table.c}

    def __getitem__(self, name: str) -> ColumnElement[Any]:
        return self._values[name]

    def insert(self, new: Mapping[str, Any]) -> Any:
        """An INSERT of these rows: `insert_for`."""
        statement = insert_for(self.table, is_postgresql=self._is_postgresql)
        if self._rows is None:
            return statement.values(new)
        return statement.from_select(list(new), select(*new.values()).select_from(self._rows))

    def update(self, new: Mapping[str, Any]) -> Any:
        """An UPDATE of the table's rows with the given `id`s."""
        written = {name: value for name, value in new.items() if name != "id"}
        return update(self.table).where(self.table.c.id == self["id"]).values(written)

    def delete(self) -> Any:
        """A DELETE of the table's rows that have these values."""
        return delete(self.table).where(*(self.table.c[name] == value for name, value in self.columns.items()))


def execute(
    tx: Tx,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    build: Callable[..., Any],
    *args: Any,
    more: Types = (),
) -> Any:
    """Execute a statement for rows, one or more, that name the same values. Those that wait go with it.

    Args:
        build: a function of a module, which makes the statement from `Given` and `args`. It is made once.
        more: the types of values that are no columns of the table.
    """
    return _send(tx, [*_waiting(tx, table), _Part(table, rows, build, args, more)])


def write(
    tx: Tx,
    table: type[Base],
    rows: Sequence[Mapping[str, Any]],
    build: Callable[..., Any],
    *args: Any,
    more: Types = (),
    with_next: bool = False,
) -> None:
    """`execute` of a statement whose result nobody reads; within `together` it waits for the others.

    Args:
        with_next: it waits for the next, as in `together`.
    """
    parts = [*_waiting(tx, table), _Part(table, rows, build, args, more)]
    waiting = _of(tx)
    if waiting.is_open or with_next:
        waiting.parts = parts
    else:
        _send(tx, parts)


@contextmanager
def together(tx: Tx, *, with_next: bool = False) -> Iterator[None]:
    """Send the statements that are written within as one, with the next that returns something or else at the end: for
    statements none of which depends on what another has written. PostgreSQL is asked once instead of once for each; SQLite
    takes them one by one.

    Args:
        with_next: what waits at the end is sent with the next statement of this module, which does not depend on it either,
            or before the transaction does anything else.
    """
    waiting = _of(tx)
    assert not waiting.is_open, "not one within another"  # noqa: S101 -- a mistake of ours
    waiting.send()
    waiting.is_open = True
    try:
        yield
        if not with_next:
            waiting.send()
    except BaseException:
        waiting.parts = ()
        raise
    finally:
        waiting.is_open = False


class Waiting:
    """Statements of a transaction that wait to be sent with the next. `is_open`: others may join them."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.parts: Sequence[_Part] = ()
        self.is_open = False

    def take(self) -> Sequence[_Part]:
        """Those that wait, which do so no longer."""
        parts, self.parts = self.parts, ()
        return parts

    def send(self) -> None:
        if parts := self.take():
            _send(self._tx, parts)


def _of(tx: Tx) -> Waiting:
    if tx.waiting is None:
        tx.waiting = Waiting(tx)
    waiting: Waiting = tx.waiting
    return waiting


def _waiting(tx: Tx, table: type[Base]) -> Sequence[_Part]:
    """The statements that can be sent with the next one, which is about this table: they wait no longer."""
    waiting = _of(tx)
    if any(each.table is table for each in waiting.parts):  # one statement must not change a row twice
        waiting.send()
    return waiting.take()


@dataclass(frozen=True, slots=True)
class _Part:
    """A statement that waits: what `execute` is given."""

    table: type[Base]
    rows: Sequence[Mapping[str, Any]]
    build: Callable[..., Any]
    args: tuple[Any, ...]
    more: Types


def read(tx: Tx, statement: Any, parameters: Mapping[str, Any]) -> Any:
    """Execute a SELECT that is made once. Those that wait go with it, and it reads what was there before them.

    Args:
        parameters: named unlike any column, which SQLAlchemy would take for one to write.
    """
    if not tx.is_postgresql:
        tx.send_waiting()
    return _execute(tx, [*_numbered(tx, _of(tx).take()), (statement, parameters)])


def _send(tx: Tx, parts: Sequence[_Part]) -> Any:
    """Returns the result of the last statement."""
    if tx.is_postgresql:
        return _execute(tx, _numbered(tx, parts))
    result = None
    for part in parts:
        result = tx.connection.execute(*_prepared(tx, part, 0))
    return result


def _numbered(tx: Tx, parts: Sequence[_Part]) -> list[tuple[Any, Any]]:
    return [_prepared(tx, each, place) for place, each in enumerate(parts)]


def _execute(tx: Tx, prepared: Sequence[tuple[Any, Any]]) -> Any:
    """Execute statements with their parameters as one. Returns the result of the last."""
    if len(prepared) == 1:
        return tx.connection.execute(*prepared[0])
    parameters = {name: value for _, given in prepared for name, value in given.items()}
    return tx.connection.execute(_in_one(tuple(statement for statement, _ in prepared)), parameters)


@cache
def _in_one(statements: tuple[Any, ...]) -> Any:
    """The last statement, with the others before it; `_statement` makes each once, and so is this."""
    *others, last = statements
    return last.add_cte(*(each.cte(f"part_{place}") for place, each in enumerate(others)))


def update_returning(
    tx: Tx, table: type[Base], rows: Sequence[Mapping[str, Any]], build: Callable[..., Any], same: Mapping[str, Any]
) -> list[Any]:
    """What an UPDATE returns of the rows that it finds.

    Args:
        same: parameters of the statement that are the same for all rows.
    """
    if len(rows) > 1 and not tx.is_postgresql:  # SQLite returns nothing of a statement that it is given row by row
        return list(tx.session.scalars(select(table).from_statement(_listed(table, rows, build)), same))
    statement, parameters = _prepared(tx, _Part(table, rows, build, (), ()), 0)
    return list(tx.session.scalars(_read_as(table, statement), {**parameters, **same}))


def read_for(
    tx: Tx, table: type[Base], rows: Sequence[Mapping[str, Any]], build: Callable[..., Any], same: Mapping[str, Any]
) -> Any:
    """Execute a statement of PostgreSQL that reads rows of tables' classes, as `build` makes it for rows of this table.

    Args:
        same: parameters of the statement that are the same for all rows.
    """
    statement, parameters = _prepared(tx, _Part(table, rows, build, (), ()), 0)
    return tx.session.execute(statement, {**parameters, **same})


@cache
def _read_as(table: type[Base], statement: Any) -> Any:
    """A statement that returns rows of a table, as SQLAlchemy need not take apart anew each time."""
    return select(table).from_statement(statement)


def _prepared(tx: Tx, part: _Part, place: int) -> tuple[Any, Any]:
    """The statement and its parameters: of several rows arrays, or for SQLite a list, which its driver loops over.

    Args:
        place: its place among statements that are sent as one, which share their parameters.
    """
    rows = part.rows
    names = tuple(rows[0])
    as_arrays = tx.is_postgresql and len(rows) > 1
    statement = _statement(part.table, names, part.more, tx.is_postgresql, as_arrays, part.build, part.args, place)
    if as_arrays:
        return statement, {_parameter(name, place): [row[name] for row in rows] for name in names}
    parameters = [{_parameter(name, place): row[name] for name in names} for row in rows]
    return statement, parameters[0] if len(rows) == 1 else parameters


@cache
def _statement(
    table: type[Base],
    names: tuple[str, ...],
    more: Types,
    is_postgresql: bool,
    as_arrays: bool,
    build: Callable[..., Any],
    args: tuple[Any, ...],
    place: int,
) -> Any:
    of_table: Any = table.__table__
    types = dict(more)
    given = {name: types[name] if name in types else of_table.c[name].type for name in names}
    arrays = _unnested(given, place) if as_arrays else None
    return build(Given(of_table, given, is_postgresql=is_postgresql, rows=arrays, place=place), *args)


def _unnested(types: Mapping[str, TypeEngine[Any]], place: int) -> FromClause:
    arrays = (
        bindparam(_parameter(name, place), type_=postgresql.ARRAY(type_, dimensions=1)) for name, type_ in types.items()
    )
    columns = (column(name, type_) for name, type_ in types.items())
    return func.unnest(*arrays).table_valued(*columns).render_derived(name="given")


def _listed(table: type[Base], rows: Sequence[Mapping[str, Any]], build: Callable[..., Any]) -> Any:
    """The statement with its rows written out."""
    of_table: Any = table.__table__
    types = {name: of_table.c[name].type for name in rows[0]}
    columns = (column(name, type_) for name, type_ in types.items())
    given = values(*columns, name="given").data([tuple(row.values()) for row in rows]).cte("given")
    return build(Given(of_table, types, is_postgresql=False, rows=given))


def insert_for(table: Any, *, is_postgresql: bool) -> Any:
    """An INSERT that takes `.on_conflict_do_nothing()` or `.on_conflict_do_update()`."""
    return (postgresql if is_postgresql else sqlite).insert(table)


@cache
def _parameter(name: str, place: int) -> str:
    """SQLAlchemy keeps the names of columns for itself."""
    return f"each{place or ''}_{name}"


def confined(column: Any, value: Any) -> ColumnElement[bool]:
    """Whether a row that is found by its own key has this value, such as its practice's id: no index is sought by it.

    PostgreSQL takes an unknown table for small, so all rows of a practice look as cheap as the one with a key. It then reads
    them all for each key, and a connection keeps such a plan.
    """
    condition: ColumnElement[bool] = column.is_not_distinct_from(value)
    return condition


class one_of(FunctionElement[bool]):
    """Whether a column has one of the values of a list, which is the parameter of this name."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, of: Any, name: str) -> None:
        super().__init__(of, bindparam(name, type_=postgresql.ARRAY(of.type)))


@compiles(one_of, "postgresql")
def _any_of(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    of, values = element.clauses
    return str(compiler.process(of == any_(values), **kw))


@compiles(one_of, "sqlite")
def _in_list(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    of, values = element.clauses
    return str(compiler.process(of.in_(bindparam(values.key, expanding=True, type_=of.type)), **kw))
