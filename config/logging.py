"""Structured logs: one set-up for every process, for our lines and the libraries'. Ours do not go through the standard
library's logging, which takes as long again for a line.

Personal data never reaches a log line (P19): we log ids, arguments of libraries' lines are removed, and an event's fields
must be on the list below.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import Settings

#: Fields that a log line may have. All are ids, counts, times or names from our own code; none can hold a person's data.
LOGGABLE = frozenset(
    {
        *("event", "level", "logger", "timestamp", "exception_type", "where", "reason", "code", "error_class"),
        *(
            "job",
            "import_id",
            "trace",
            "batch",
            "practice",
            "staff",
            "client",
            "connection",
            "tenant",
            "owner",
            "leader",
            "directory",
            "sync",
            "xpm_uuid",
        ),
        *("kind", "lane", "state", "attempt", "queue", "limit", "operation", "status", "schedule", "signal", "mode"),
        *("upstream", "problem", "fields"),  # of XPM's answers: our words, and names of the contract's fields
        *("count", "pending", "seconds", "wait", "pid", "port"),
        *("seen", "added", "changed", "gone", "missing", "unread", "held"),
    }
)


def _only_loggable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {key: value for key, value in event.items() if key in LOGGABLE or key.startswith("_")}


def _name_exception_only(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep only an exception's type and code location: its text may quote a row or a request (P19)."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exception_type"] = type(error).__name__
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        if frame is not None:
            event["where"] = f"{frame.tb_frame.f_code.co_filename.rsplit('/', 2)[-1]}:{frame.tb_lineno}"
    return event


class _Foreign(logging.Filter):
    """Removes the arguments of libraries' lines: dramatiq would print a message's contents, SQLAlchemy a row's (P19)."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = f"{record.levelname.lower()} in {record.name}.{record.funcName}"
        record.args = ()
        return True


class _Writer(structlog.WriteLogger):
    """Writes the lines of one of our loggers. What cannot be written, as on a full disk, is lost: whoever logs goes on."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.name = name

    def msg(self, message: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: standard error is closed
            super().msg(message)

    debug = info = warning = error = critical = msg


def log_each(log: Any, event: str, rows: Sequence[Mapping[str, str]], **same: object) -> None:
    """Log one line at level info for each row: the rows' own fields, and those that are the same for all.

    A line is rendered once and written for each row, because rendering takes far longer than writing.

    Args:
        rows: have the same fields, with ids or numbers as their values.
    """
    if rows:
        log.info(event, **same, **{name: _place_of(name) for name in rows[0]}, _rows=rows)


def _place_of(name: str) -> str:
    return f"@{name}@"


def _a_line_for_each_row(render: Processor) -> Processor:
    def lines(logger: WrappedLogger, level: str, event: EventDict) -> str:
        rows = event.pop("_rows", None)
        line = str(render(logger, level, event))
        return line if rows is None else "\n".join(_filled(line, row) for row in rows)

    return lines


def _filled(line: str, row: Mapping[str, str]) -> str:
    for name, value in row.items():
        line = line.replace(_place_of(name), value)
    return line


def set_up_logging(settings: Settings) -> None:
    """Send structlog's and the standard library's lines to standard error, in the format that the settings name."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_exception_only,
        _only_loggable,
    ]
    level, render = settings.log_level.upper(), _renderer(settings.log_format)
    structlog.configure(
        processors=[*shared, _a_line_for_each_row(render)],
        logger_factory=_Writer,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,  # a cached logger would keep the first set-up
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Foreign())
    as_ours = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, render]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=as_ours))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "dramatiq", "alembic"):
        logging.getLogger(chatty).setLevel("WARNING")


def _renderer(log_format: Literal["console", "json"]) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
