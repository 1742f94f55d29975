"""The console's process: built from the settings, served until a signal, and closed in order."""

from __future__ import annotations

from config.settings import Settings
from web import process
from web.console.app import THREADS, create_app
from web.console.console import Console


def run(settings: Settings) -> None:
    """Serve the console until a signal.

    Raises:
        SettingsError: a setting is missing or invalid.
    """
    address = process.Address("ops", settings.ops_host, settings.ops_port)
    process.run(settings, Console, create_app, address, threads=THREADS)
