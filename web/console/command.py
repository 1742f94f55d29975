"""The command `ops`: the operators' console as a process."""

from __future__ import annotations

from config.settings import Settings
from web.console.process import run


def run_ops() -> None:
    """Serve the operators' console on OPS_HOST and OPS_PORT until SIGTERM or Ctrl-C.

    It listens on this machine only, unless OPS_HOST says otherwise. `portal-sync operator add` makes the people who sign in.
    """
    run(Settings.load())
