"""Every command explains itself within 80 columns, and every wrong use of one is told in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.worker.cli.conftest import Cli
from worker.cli.app import COMMANDS, build


def every_command() -> Iterator[str]:
    """Every command and group as it is typed, found in the command line itself."""
    app = build()
    for command in app.registered_commands:
        yield str(command.name)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield str(group.name)
        yield from (f"{group.name} {command.name}" for command in group.typer_instance.registered_commands)


EVERY_COMMAND = sorted(every_command())


def test_the_commands_are_the_ones_that_are_promised() -> None:
    promised = {"db upgrade", "keys new", "practice add", "practice set", "staff add", "operator add", "connection add"}
    promised |= {
        "import",
        "imports list",
        "imports show",
        "worker",
        "relay",
        "simulator",
        "mail-catcher",
        "demo",
        "serve",
    }
    promised |= {
        "dead list",
        "dead show",
        "dead groups",
        "dead requeue",
        "dead dismiss",
        "imports amend",
        "imports cancel",
    }
    promised |= {"emails list", "emails resend", "emails mark-delivered", "jobs list", "jobs explain", "pauses list"}
    promised |= {
        f"{verb} {what}" for verb in ("pause", "resume") for what in ("practice", "lane", "kind", "everything")
    }
    assert promised <= {*EVERY_COMMAND}


@pytest.mark.parametrize("command", ["", *EVERY_COMMAND])
def test_help_of_each_command_fits_eighty_columns_and_cuts_no_option_off(cli: Cli, command: str) -> None:
    # When help is asked for
    ran = cli(*command.split(), "--help")
    # Then it says how the command is used, in lines that fit, and with no colours where there is no terminal
    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: portal-sync {command}".strip() in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "\x1b" not in ran.out
    assert "…" not in ran.out


def test_the_help_lists_every_command_and_the_exit_codes(cli: Cli) -> None:
    text = " ".join(cli("--help").out.split())
    assert [name for name in COMMANDS if f" {name} " not in text] == []
    for code in ("0 done", "1 the request failed", "2 wrong usage", "3 the database", "130 interrupted"):
        assert code in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["imports", "bogus"], "No such command 'bogus'"),
        (["imports", "show"], "Missing argument 'ID'"),
        (["imports", "show", "17"], "Invalid value for 'ID'"),
        (["imports", "list", "--state", "asleep"], "'asleep' is not one of 'accepted'"),
        (["imports", "list", "--limit", "0"], "--limit"),
        (["imports", "list", "--practise", "x"], "No such option"),
        (["staff", "add", "x", "Kim", "kim@practice.example"], "Invalid value for 'PRACTICE'"),
        (["worker", "--lanes", "fast"], "there is no lane 'fast'"),
        (["worker", "--threads", "none"], "--threads"),
        (["demo", "--clients", "0"], "--clients"),
        (["demo", "--clients", "5001"], "--clients"),
        (["simulator", "--port", "70000"], "--port"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(cli: Cli, arguments: list[str], words: str) -> None:
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


def test_no_command_at_all_shows_the_help(cli: Cli) -> None:
    ran = cli()
    assert ran.code == 2
    assert "Usage: portal-sync" in ran.out


def test_the_console_script_ends_with_the_exit_code_and_no_traceback(tmp_path: Path) -> None:
    # Given the script as it is installed, and a database that was never migrated
    script = Path(sys.executable).with_name("portal-sync")
    environment = {"DATABASE_URL": f"sqlite:///{tmp_path / 'portal.db'}", "PATH": ""}
    # When something is asked of it
    ran = subprocess.run([script, "imports", "list"], env=environment, capture_output=True, text=True)
    # Then it says in one line what to do
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr == "Error: The database has no tables yet: run `portal-sync db upgrade`.\n"
