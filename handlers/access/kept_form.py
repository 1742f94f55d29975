"""What somebody typed is not lost when their session ends: the form that they sent then is kept for an hour, encrypted, for
the session that begins in the same browser after it, if it is the same person's.

Only who holds the cookie of a session that ended by itself within the hour can have something kept: one form, of a bounded
size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from cryptography.fernet import InvalidToken

from config.settings import Settings
from handlers.access.sessions import Session
from handlers.access.tokens import hashed
from portal_db.access import kept_forms
from portal_db.database import Database

SECONDS = 3600.0
MOST_BYTES = 16 * 1024
LONGEST_PATH = 200


def may_keep(database: Database, session: Session) -> bool:
    """Whether this session has just ended by itself."""
    with database.read() as tx:
        return kept_forms.staff_of_ended(tx, hashed(session.token), seconds=SECONDS) is not None


def keep(
    database: Database, settings: Settings, session: Session, path: str, fields: Sequence[tuple[str, str]]
) -> bool:
    """Keep a form of the page with this path, of which several fields may have one name. False when that is not possible."""
    content = json.dumps(fields).encode()
    if len(content) > MOST_BYTES or len(path) > LONGEST_PATH or not settings.token_keys:
        return False
    sealed, token_hash = settings.vault.encrypt(content), hashed(session.token)
    with database.write() as tx:
        staff_id = kept_forms.staff_of_ended(tx, token_hash, seconds=SECONDS)
        if staff_id is not None:
            kept_forms.put(tx, token_hash, staff_id, path, sealed, seconds=SECONDS)
    return staff_id is not None


def read(database: Database, settings: Settings, session: Session, path: str) -> Sequence[tuple[str, str]] | None:
    """The fields of the form of this page that was kept for a session."""
    with database.read() as tx:
        sealed = kept_forms.get(tx, hashed(session.token), path)
    if sealed is None:
        return None
    try:
        return [(name, value) for name, value in json.loads(settings.vault.decrypt(sealed))]
    except (InvalidToken, ValueError):  # its key was taken away since, or an earlier release kept it in another form
        return None
