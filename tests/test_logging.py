"""Log lines carry ids, codes and counts: nothing personal, whoever writes them (P19)."""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from config import logging as logging_setup
from config.logging import LOGGABLE, log_each, set_up_logging
from config.settings import Settings

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Logging is set up for the whole process: put back what the test found."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**before)


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


def test_what_our_own_lines_say_is_listed() -> None:
    said = {
        word.arg
        for package in ("config", "handlers", "portal_db", "web", "worker", "xpm")
        for path in (ROOT / package).rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("debug", "info", "warning", "error", "exception")
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == "log"
        for word in call.keywords
        if word.arg is not None and not word.arg.startswith("_")
    }
    assert {"job", "sync"} <= said
    assert said - LOGGABLE == {"exc_info"}


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


def test_lines_below_the_level_cost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Settings(log_level="warning"))
    log_each(structlog.stdlib.get_logger("worker.test"), "job.succeeded", [{"job": "job-1"}])
    assert capsys.readouterr().err == ""
