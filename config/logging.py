"""Structured logs: one set-up for every process, for our lines and the libraries'.

Personal data never reaches a log line (P19): we log ids, arguments of libraries' lines are removed, and an event's fields
must be on the list below.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
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
        if not record.name.startswith(("config", "xpm", "portal_db", "handlers", "worker", "web")):
            record.msg = f"{record.levelname.lower()} in {record.name}.{record.funcName}"
            record.args = ()
        return True


def log_each(log: Any, event: str, rows: Sequence[Mapping[str, str]], **same: object) -> None:
    """Log one line at level info for each row: the rows' own fields, and those that are the same for all.

    A line is rendered once and written for each row, because rendering takes far longer than writing.

    Args:
        rows: have the same fields, with ids or numbers as their values.
    """
    if rows and logging.getLogger().isEnabledFor(logging.INFO):
        log.info(event, **same, **{name: _place_of(name) for name in rows[0]}, _rows=rows)


def _place_of(name: str) -> str:
    return f"@{name}@"


def _drop_rows(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    event.pop("_rows", None)
    return event


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Renders a record; one with rows becomes a line for each."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        rows = record.msg.get("_rows") if isinstance(record.msg, dict) else None
        return line if rows is None else "\n".join(_filled(line, row) for row in rows)


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
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a cached logger would keep the first set-up
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_Foreign())
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[_Formatter.remove_processors_meta, _drop_rows, _renderer(settings.log_format)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("httpx", "httpcore", "dramatiq", "alembic"):
        logging.getLogger(chatty).setLevel("WARNING")


def _renderer(log_format: Literal["console", "json"]) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
