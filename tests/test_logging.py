"""Log lines carry ids, codes and counts: nothing personal, whoever writes them (P19)."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from config import logging as logging_setup
from config.logging import LOGGABLE, log_each, set_up_logging
from config.settings import Settings
from tests.logged import fields_logged, fields_of
from tests.logging_restored import logging_restored


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    with logging_restored():
        yield


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    return line


def ours() -> Any:
    set_up_logging(Settings(log_format="json"))
    return structlog.stdlib.get_logger("worker.test").bind()


def test_a_field_that_is_not_listed_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    ours().warning("job.failed", job="j-1", count=3, email="jane@example.com", row={"name": "Jane"})
    line = last_line(capsys)
    assert (line["event"], line["job"], line["count"]) == ("job.failed", "j-1", 3)
    assert "ane" not in json.dumps(line)


def test_every_field_that_our_code_logs_is_listed() -> None:
    """One that is not says nothing in real processes, however many tests capture it."""
    logged = list(fields_logged())
    assert len({place for place, _ in logged}) > 40  # the reader finds them
    assert sorted((place, name) for place, name in logged if name not in LOGGABLE) == []


def test_fields_are_found_however_a_line_is_given_them() -> None:
    source = """
def same(job):
    return {"kind": job.kind}

def line(job, rows):
    more = {"client": "c"}
    more["tenant"] = "t"
    log.info("a", lane="l", exc_info=True, **more)
    log_each(log, "b", [same(row) for row in rows], batch="b")
    log.info("c", **same(job), **{name: 1 for name in ("seen", "gone")})
    other.info("d", nobody="x")
"""
    names = [name for _, name in fields_of(source)]
    assert names == ["client", "lane", "tenant", "batch", "kind", "gone", "kind", "seen"]
    with pytest.raises(ValueError, match="no dict of given"):
        list(fields_of("def line(given): log.info('a', **given)"))


def test_an_exception_is_named_and_not_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    log = ours()
    try:
        raise ValueError("jane@example.com is taken")
    except ValueError as error:
        log.warning("job.failed", exc_info=error)
    line = last_line(capsys)
    assert line["exception_type"] == "ValueError"
    assert line["where"].startswith("test_logging.py:")
    assert "jane" not in json.dumps(line)


def test_a_librarys_line_loses_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    ours()
    logging.getLogger("some.library").warning("could not send to %s", "jane@example.com")
    line = last_line(capsys)
    assert line["logger"] == "some.library"
    assert "jane" not in json.dumps(line)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_lines_that_differ_only_in_their_ids_are_rendered_once(
    log_format: Literal["json", "console"], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given fifty jobs of one set
    rendered: list[object] = []
    renderer = logging_setup._renderer(log_format)

    def counting(*event: Any) -> Any:
        rendered.append(event)
        return renderer(*event)

    monkeypatch.setattr(logging_setup, "_renderer", lambda _: counting)
    set_up_logging(Settings(log_format=log_format))
    rows = [{"job": f"job-{number}", "import_id": f"import-{number}"} for number in range(50)]
    # When their outcomes are logged
    log_each(structlog.stdlib.get_logger("worker.test"), "job.succeeded", rows, kind="create_client", email="jane")
    # Then there is a line for each, with its own ids and what they share
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 50
    assert all(f"job-{number}" in line and f"import-{number}" in line for number, line in enumerate(lines))
    assert all("create_client" in line and "@" not in line and "jane" not in line for line in lines)
    # And rendering was paid for once
    assert len(rendered) == 1


class NoRoom(io.StringIO):
    """Standard error on a disk that is full."""

    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("is_closed", [False, True], ids=["full disk", "closed"])
def test_a_line_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch, is_closed: bool) -> None:
    stderr = NoRoom()
    if is_closed:
        stderr.close()
    monkeypatch.setattr(sys, "stderr", stderr)
    log = ours()
    for say in (log.debug, log.info, log.warning, log.error, log.critical):
        say("job.failed", job="j-1")


def test_lines_below_the_level_cost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Settings(log_level="warning"))
    log_each(structlog.stdlib.get_logger("worker.test"), "job.succeeded", [{"job": "job-1"}])
    assert capsys.readouterr().err == ""
