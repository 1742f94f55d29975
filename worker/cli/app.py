"""All commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer

from config.loading import loading
from config.settings import SettingsError
from handlers.errors import RequestRefused
from worker.cli.exits import EPILOG, ExitCode, Problem, problem_of
from worker.cli.output import say_error, say_line

NAME = "portal-sync"
HELP = "Imports clients and entities from Xero Practice Manager (XPM) into a client portal."


@dataclass(frozen=True)
class Command:
    """The module of a command or command group, and its heading in the help."""

    module: str
    attribute: str
    heading: str


_START, _IMPORTS, _OPERATIONS, _RUN = "Getting started", "Imports", "Operations", "Processes"
COMMANDS = {
    "demo": Command("worker.local.commands", "run_demo", _START),
    "serve": Command("worker.local.commands", "run_serve", _START),
    "db": Command("worker.cli.setup", "db_app", _START),
    "keys": Command("worker.cli.setup", "keys_app", _START),
    "practice": Command("worker.cli.practices.people", "practice_app", _START),
    "staff": Command("worker.cli.practices.people", "staff_app", _START),
    "operator": Command("worker.cli.operations.operators", "operator_app", _START),
    "connection": Command("worker.cli.practices.connections", "connection_app", _START),
    "directory": Command("worker.cli.practices.directory", "directory_app", _IMPORTS),
    "api-key": Command("worker.cli.practices.api_keys", "api_key_app", _START),
    "producer": Command("worker.cli.practices.producers", "producer_app", _START),
    "webhooks": Command("worker.cli.practices.webhooks", "webhooks_app", _START),
    "import": Command("worker.cli.imports.add", "import_clients", _IMPORTS),
    "imports": Command("worker.cli.imports.manage", "imports_app", _IMPORTS),
    "dead": Command("worker.cli.operations.dead", "dead_app", _OPERATIONS),
    "jobs": Command("worker.cli.operations.jobs", "jobs_app", _OPERATIONS),
    "emails": Command("worker.cli.imports.emails", "emails_app", _OPERATIONS),
    "pause": Command("worker.cli.operations.pauses", "pause_app", _OPERATIONS),
    "resume": Command("worker.cli.operations.pauses", "resume_app", _OPERATIONS),
    "pauses": Command("worker.cli.operations.pauses", "pauses_app", _OPERATIONS),
    "schedule": Command("worker.cli.practices.schedule", "schedule_app", _OPERATIONS),
    "reconcile": Command("worker.cli.operations.reconcile", "run_reconcile", _OPERATIONS),
    "doctor": Command("worker.cli.doctor", "run_doctor", _OPERATIONS),
    "housekeeping": Command("worker.cli.operations.housekeeping", "run_housekeeping", _OPERATIONS),
    "sign-ins": Command("worker.cli.practices.sign_ins", "list_sign_ins", _OPERATIONS),
    "person": Command("worker.cli.operations.erase", "person_app", _OPERATIONS),
    "restore": Command("worker.cli.operations.restore", "restore_app", _OPERATIONS),
    "worker": Command("worker.cli.processes", "run_worker", _RUN),
    "relay": Command("worker.cli.processes", "run_relay", _RUN),
    "ops": Command("web.console.command", "run_ops", _RUN),
    "simulator": Command("worker.local.commands", "run_simulator", _RUN),
    "mail-catcher": Command("worker.local.commands", "run_mail_catcher", _RUN),
}


def build(wanted: str | None = None) -> typer.Typer:
    """The command line; with only one command if that is known to be the one.

    Loading everything takes a second, so only the command's own module is imported.
    """
    app = typer.Typer(
        name=NAME,
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, command in {wanted: COMMANDS[wanted]}.items() if wanted in COMMANDS else COMMANDS.items():
        part = getattr(import_module(command.module), command.attribute)
        if isinstance(part, typer.Typer):
            app.add_typer(part, name=name, rich_help_panel=command.heading)
        else:
            app.command(name, rich_help_panel=command.heading, epilog=EPILOG)(part)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        say_line(f"{NAME} {version_of(NAME)}")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line.

    Returns:
        The exit code: one of `ExitCode`.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # terminals show a question mark for letters they lack
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        with loading():
            app = build(given[0] if given else None)
        code = app(args=given, prog_name=NAME, standalone_mode=False)
    except Problem as problem:
        return _fail(problem)
    except RequestRefused as refusal:
        return _fail(problem_of(refusal))
    except SettingsError as error:
        say_error(str(error))
        return ExitCode.MISUSED
    except typer.TyperException as error:
        return _misused(error)
    except (typer.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except Exception as error:
        return _report_bug(error)
    return code if isinstance(code, int) else ExitCode.DONE


def _fail(problem: Problem) -> int:
    say_error(problem.message, problem.details)
    return problem.code


def _misused(error: typer.TyperException) -> int:
    """Report a usage error in one line; without any arguments, print the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        say_line(error.format_message())
        return ExitCode.MISUSED
    context = getattr(error, "ctx", None)
    path = context.command_path if context else NAME
    words = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    say_error(f"{words}. See `{path} --help`.")
    return error.exit_code


def _report_bug(error: Exception) -> int:
    """Report a bug by its type and place, because its text might quote personal data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno}"
    say_error(f"Something unexpected went wrong: {type(error).__name__} at {where}. Contact the developers.")
    return ExitCode.FAILED
