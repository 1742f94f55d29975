"""`python -m web`: the web process. All of its settings come from the environment (docs/settings.md)."""

from __future__ import annotations

import argparse
import sys

from config.loading import loading
from config.settings import Settings, SettingsError


def main() -> int:
    """Serve until a signal.

    Returns:
        The exit code: 0 after a signal, 2 if a setting is invalid.
    """
    parser = argparse.ArgumentParser(
        prog="python -m web",
        description="Serve the portal's API and pages on WEB_HOST and WEB_PORT, until SIGTERM or Ctrl-C.",
        epilog="Exit codes: 0: stopped; 2: wrong usage, or an invalid setting.",
    )
    parser.parse_args()
    with loading():
        from web.process import run_web
    try:
        run_web(Settings.load())
    except SettingsError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
