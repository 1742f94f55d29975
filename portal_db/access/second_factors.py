"""The second factor of an account, its recovery codes, and sign-ins that wait for it.

Callers pass encrypted secrets and hashes; no secret reaches this module.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select

from portal_db.database import Tx
from portal_db.dialect import count_rows, delete_rows, has_row, insert_or_ignore, insert_rows, update_rows
from portal_db.tables import Passkey, PendingSignIn, RecoveryCode, SecondFactor
from portal_db.types import db_now, has_ended


def get(tx: Tx, login_id: UUID) -> SecondFactor | None:
    return tx.get(SecondFactor, login_id)


def lock(tx: Tx, login_id: UUID) -> SecondFactor | None:
    """`get`, under a lock: of changes to one account's second factor, each sees the one before."""
    return tx.session.scalar(select(SecondFactor).where(SecondFactor.login_id == login_id).with_for_update())


def page(tx: Tx, *, after: UUID | None, limit: int) -> list[SecondFactor]:
    """Second factors in the order of their accounts, after one of them."""
    statement = select(SecondFactor).order_by(SecondFactor.login_id).limit(limit)
    return list(tx.session.scalars(statement if after is None else statement.where(SecondFactor.login_id > after)))


def reseal(tx: Tx, row: SecondFactor, secret: bytes | None) -> None:
    """Replace an encrypted secret, unless another app was set up meanwhile."""
    same = SecondFactor.secret.is_not_distinct_from(row.secret)
    update_rows(tx, SecondFactor, SecondFactor.login_id == row.login_id, same, secret=secret)


def is_set_up(tx: Tx, login_id: UUID) -> bool:
    """Whether an account has a second factor: an authenticator app, or passkeys alone."""
    return has_row(tx, SecondFactor.login_id == login_id)


def set_up(tx: Tx, login_id: UUID, secret: bytes | None, *, step: int | None) -> bool:
    """Bring an account's second factor into force.

    Args:
        secret: of an authenticator app; `None` where passkeys are all there is.
        step: the time step of its code that was given.

    Returns:
        False when it has one already.
    """
    values = {"secret": secret, "last_step": step, "tries": 0, "set_up_at": db_now(), "browsers_key": tx.new_id()}
    return insert_or_ignore(tx, SecondFactor, {"login_id": login_id, **values})


def replace(tx: Tx, found: SecondFactor, secret: bytes, *, step: int) -> bool:
    """Bring another authenticator app into force. False when the second factor changed since it was found."""
    values = {"secret": secret, "last_step": step, "set_up_at": db_now(), "tries": 0, "tries_until": None}
    was = SecondFactor.secret.is_not_distinct_from(found.secret)
    its = SecondFactor.login_id == found.login_id
    return bool(update_rows(tx, SecondFactor, its, was, browsers_key=tx.new_id(), **values))


def use_step(tx: Tx, login_id: UUID, step: int) -> bool:
    """Accept the code of a time step. False when it, or a later one, was accepted before."""
    is_later = or_(SecondFactor.last_step.is_(None), SecondFactor.last_step < step)
    return bool(update_rows(tx, SecondFactor, SecondFactor.login_id == login_id, is_later, last_step=step))


def take_try(tx: Tx, login_id: UUID, *, most: int, seconds: float) -> datetime | None:
    """Count a try before it is judged, so that tries at the same moment are counted as well.

    Returns:
        When tries are accepted again, if there were too many.
    """
    mine = SecondFactor.login_id == login_id
    update_rows(tx, SecondFactor, mine, has_ended(SecondFactor.tries_until, seconds),
                tries=0, tries_until=db_now(seconds))  # fmt: skip
    if update_rows(tx, SecondFactor, mine, SecondFactor.tries < most, tries=SecondFactor.tries + 1):
        return None
    return tx.session.scalar(select(SecondFactor.tries_until).where(mine))


def forget_tries(tx: Tx, login_id: UUID) -> None:
    update_rows(tx, SecondFactor, SecondFactor.login_id == login_id, tries=0, tries_until=None)


def remove(tx: Tx, login_id: UUID) -> bool:
    """Remove an account's second factor with its recovery codes and passkeys. False when it had none."""
    delete_rows(tx, RecoveryCode, RecoveryCode.login_id == login_id)
    delete_rows(tx, Passkey, Passkey.login_id == login_id)
    return bool(delete_rows(tx, SecondFactor, SecondFactor.login_id == login_id))


def put_browsers_key(tx: Tx, login_id: UUID) -> None:
    update_rows(tx, SecondFactor, SecondFactor.login_id == login_id, browsers_key=tx.new_id())


def put_recovery_codes(tx: Tx, login_id: UUID, hashes: Collection[str]) -> None:
    """Give an account these recovery codes in place of all that it had."""
    delete_rows(tx, RecoveryCode, RecoveryCode.login_id == login_id)
    insert_rows(tx, RecoveryCode, [{"login_id": login_id, "code_hash": code_hash} for code_hash in hashes])


def use_recovery_code(tx: Tx, login_id: UUID, code_hash: str) -> bool:
    """Use a recovery code, once. False when the account has no such code (any more)."""
    its = (RecoveryCode.login_id == login_id, RecoveryCode.code_hash == code_hash)
    return bool(update_rows(tx, RecoveryCode, *its, RecoveryCode.used_at.is_(None), used_at=db_now()))


def recovery_codes_left(tx: Tx, login_id: UUID) -> int:
    return count_rows(tx, RecoveryCode.login_id == login_id, RecoveryCode.used_at.is_(None))


def begin_sign_in(tx: Tx, login_id: UUID, token_hash: str, *, seconds: float) -> None:
    """Record a sign-in that waits for its second factor, and delete every one that has ended, whoever's it was."""
    delete_rows(tx, PendingSignIn, PendingSignIn.ends_at < db_now())
    row = {"token_hash": token_hash, "login_id": login_id, "ends_at": db_now(seconds)}
    tx.session.execute(insert(PendingSignIn).values(row))


def login_of_sign_in(tx: Tx, token_hash: str) -> UUID | None:
    """The account that a waiting sign-in is for; `None` when there is none (any more)."""
    return tx.session.scalar(select(PendingSignIn.login_id).where(*_waiting(token_hash)))


def end_sign_in(tx: Tx, token_hash: str) -> bool:
    """End a waiting sign-in, once. False when there is none (any more)."""
    return bool(delete_rows(tx, PendingSignIn, *_waiting(token_hash)))


def _waiting(token_hash: str) -> tuple[ColumnElement[bool], ...]:
    return PendingSignIn.token_hash == token_hash, PendingSignIn.ends_at > db_now()
