"""What psycopg does for each statement and each of its values, where its own way took much of a statement's time."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import product
from operator import attrgetter
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types import TypeInfo
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
    """The columns of a cursor's present result, described once somebody looks."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    @cached_property
    def _columns(self) -> Sequence[Any]:
        return self._cursor.describe()

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, index: Any) -> Any:
        return self._columns[index]


def send_lists_in_binary(connection: psycopg.Connection[Any], _: Any) -> None:
    """It takes the driver a third of the time that their text does."""
    connection.adapters.register_dumper(list, _ListDumper)


#: The types of values whose lists we send ourselves: PostgreSQL's types, and how a value is sent in binary.
_ELEMENTS: Mapping[type, tuple[TypeInfo, Callable[[Any], bytes]]] = {
    UUID: (psycopg.adapters.types["uuid"], attrgetter("bytes")),
    str: (psycopg.adapters.types["text"], str.encode),
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
            return _KnownListDumper(self.cls, *_ELEMENTS[kind])
        return super().upgrade(obj, format)


class _KnownListDumper(Dumper):
    format = Format.BINARY

    def __init__(self, cls: type, element: TypeInfo, encoded: Callable[[Any], bytes]) -> None:
        super().__init__(cls)
        self.oid, self._element_oid, self._encoded = element.array_oid, element.oid, encoded

    def dump(self, obj: list[Any]) -> bytes:
        encoded = self._encoded
        data = [_HEAD.pack(1, 1, self._element_oid, len(obj), 1)]  # one dimension, with NULLs or without, from 1
        for value in obj:
            if value is None:
                data.append(_NULL)
            else:
                data += (_LENGTH.pack(len(sent := encoded(value))), sent)
        return b"".join(data)
