"""What psycopg does for each statement and each of its values, where its own way took much of a statement's time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types.array import ListBinaryDumper


def look_up_dumpers() -> None:
    """Let psycopg find how it sends each type before there are threads: the first to send one replaces its name by the
    type, and another thread at that moment finds neither (psycopg issue 1230). To a job that looks like a bug."""
    for type_, format_ in product((UUID, datetime, date, timedelta, Decimal), PyFormat):
        psycopg.adapters.get_dumper(type_, format_)


class Cursor(psycopg.Cursor[Any]):
    """SQLAlchemy asks for the description of every result, and looks only at that of a statement's first. psycopg takes
    longer to make it, for 35 columns, than for all the rest of the statement."""

    @property
    def description(self) -> Any:
        return _Description(self) if self.pgresult is not None and self.pgresult.nfields else None

    def describe(self) -> Sequence[Any]:
        return super().description or ()


class _Description(Sequence[Any]):
    """The columns of a cursor's present result, described when somebody looks."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def __len__(self) -> int:
        return len(self._cursor.describe())

    def __getitem__(self, index: Any) -> Any:
        return self._cursor.describe()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor.describe())


def send_lists_in_binary(connection: psycopg.Connection[Any], _: Any) -> None:
    """It takes the driver a third of the time that their text does."""
    connection.adapters.register_dumper(list, _ListDumper)


@dataclass(frozen=True, slots=True)
class _Element:
    """A type of PostgreSQL, its array's, and how a value of it is sent in binary."""

    oid: int
    array_oid: int
    encoded: Callable[[Any], bytes]


_ELEMENTS: Mapping[type, _Element] = {
    UUID: _Element(2950, 2951, lambda value: value.bytes),
    str: _Element(25, 1009, str.encode),
}
_HEAD, _LENGTH, _NULL = struct.Struct("!iiIii"), struct.Struct("!i"), b"\xff\xff\xff\xff"


class _ListDumper(ListBinaryDumper):
    """Lists of ids and of texts, which nearly all of ours are, are known by their first value. psycopg looks at every value
    of a list, twice, to find out what it holds."""

    def get_key(self, obj: list[Any], format: PyFormat) -> DumperKey:
        if obj and (kind := type(obj[0])) in _ELEMENTS:
            return (self.cls, kind)
        return super().get_key(obj, format)

    def upgrade(self, obj: list[Any], format: PyFormat) -> Any:
        if obj and (kind := type(obj[0])) in _ELEMENTS:
            return _KnownListDumper(self.cls, _ELEMENTS[kind])
        return super().upgrade(obj, format)


class _KnownListDumper(Dumper):
    format = Format.BINARY

    def __init__(self, cls: type, element: _Element) -> None:
        super().__init__(cls)
        self._element = element
        self.oid = element.array_oid

    def dump(self, obj: list[Any]) -> bytes:
        encoded = self._element.encoded
        data = [_HEAD.pack(1, 1, self._element.oid, len(obj), 1)]  # one dimension, with NULLs or without, from 1
        for value in obj:
            if value is None:
                data.append(_NULL)
            else:
                data += (_LENGTH.pack(len(sent := encoded(value))), sent)
        return b"".join(data)
