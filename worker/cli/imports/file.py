"""Reads the rows of a batch from CSV, Excel or JSON lines, and reports every bad line and what is wrong with it.

A row's columns are the fields of an import request, except the practice, staff member and key: a batch has one of each.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from handlers.errors import RequestRefused
from handlers.imports import batch_csv, batch_file
from handlers.imports.accept import MAX_BATCH
from handlers.imports.batch_rows import BadFile, BadLine, Row, found_in
from handlers.imports.request import ImportRequest, parse
from worker.cli.exits import ExitCode, Problem

BATCH_FIELDS = ("practice_id", "requested_by", "request_id")


def read(source: str, shared: dict[str, str]) -> list[ImportRequest]:
    """All rows of a file, or of standard input where `source` is `-`.

    Args:
        shared: the fields that all rows share, `BATCH_FIELDS`.

    Raises:
        Problem: it cannot be read, holds no rows or too many, or some lines are bad: all of them are named.
    """
    content = _content(source)
    requests: list[ImportRequest] = []
    bad: list[str] = []
    for row in _readable(source, content):
        if isinstance(row, BadLine):
            bad.append(str(row))
            continue
        line, fields = row
        try:
            requests.append(parse({**fields, **shared}))
        except RequestRefused as refusal:
            words = refusal.message.rstrip(".") + found_in(refusal.field, fields)
            bad.append(str(BadLine(line, f"{words}.")))
    name = _name(source)
    if bad:
        lines = "1 bad line" if len(bad) == 1 else f"{len(bad)} bad lines"
        raise Problem(f"{name} has {lines}, so nothing was imported.", ExitCode.MISUSED, details=tuple(bad))
    if not requests:
        raise Problem(f"{name} has no rows.", ExitCode.MISUSED)
    if len(requests) > MAX_BATCH:
        raise Problem(
            f"{name} has {len(requests):,} rows and a batch has at most {MAX_BATCH:,}: split it.", ExitCode.MISUSED
        )
    return requests


def _name(source: str) -> str:
    return "Standard input" if source == "-" else source


def _content(source: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise Problem(f"{source} cannot be read: {error.strerror}.", ExitCode.MISUSED) from None


def _readable(source: str, content: bytes) -> Iterator[Row | BadLine]:
    try:
        yield from _rows(source, content)
    except BadFile as bad:
        raise Problem(f"{_name(source)} {str(bad).rstrip('.')}.", ExitCode.MISUSED) from None


def _rows(source: str, content: bytes) -> Iterator[Row | BadLine]:
    """JSON lines if the name says so or the text begins with an object, else CSV or Excel."""
    suffix = Path(source).suffix.lower()
    if suffix in (".jsonl", ".ndjson") or (suffix != ".csv" and content.lstrip().startswith(b"{")):
        return _json_lines(batch_csv.decode(content))
    return batch_file.read(content)


def _json_lines(text: str) -> Iterator[Row | BadLine]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            yield BadLine(number, "is not JSON of one level.")
            continue
        if not isinstance(fields, dict):
            yield BadLine(number, "is not a JSON object.")
        elif forbidden := [name for name in fields if name in BATCH_FIELDS]:
            yield BadLine(number, f"{forbidden[0]}: is given once, for all rows.")
        else:
            yield number, fields
