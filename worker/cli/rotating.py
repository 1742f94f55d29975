"""The command `keys rotate`: everything that is kept encrypted, encrypted anew with the newest key."""

from __future__ import annotations

from dataclasses import asdict

from handlers.rotate_keys import rotate
from worker.cli.exits import Problem
from worker.cli.output import AsJson, count_of, say, say_json
from worker.cli.record import opened


def rotate_keys(as_json: AsJson = False) -> None:
    """Encrypt all tokens anew with the newest of TOKEN_KEYS.

    To change the key: add the new one at the end of TOKEN_KEYS and restart every process; move it to the front and
    restart; run this; take the old one away and restart.
    """
    with opened() as record:
        done = rotate(record.database, record.settings.vault)
    if as_json:
        say_json(asdict(done))
    else:
        say(
            f"Encrypted anew: {count_of(done.logins, 'Xero login')},"
            f" {count_of(done.webhooks, 'webhook')},"
            f" {count_of(done.messages, 'message')} that could not be read."
        )
    if done.unreadable:
        raise Problem(
            f"{count_of(done.unreadable, 'row')} cannot be read with any of TOKEN_KEYS: put the key they were written"
            " with back, at the end, and run this again."
        )
