"""Passkeys (WebAuthn): a device that gives an account's second factor by signing a challenge, once its owner unlocked it.

Each challenge is kept here, for one account and one purpose, and is good once. An account is known by the id of its login.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from pydantic import Field, TypeAdapter
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    UserVerificationRequirement,
)

from config.settings import Settings
from handlers import refusals
from handlers.fields import Line, validated
from portal_db.access import passkeys
from portal_db.database import Tx
from portal_db.tables import Passkey

#: How long a challenge waits for the device.
SECONDS = 5 * 60.0
#: The most passkeys of an account, and the longest answer of a device, in characters.
MOST, LONGEST = 10, 20_000
_ADD = "add"
#: What a passkey proves its owner for; each has challenges of its own.
SIGN_IN, CONFIRM = "use", "confirm"
_REQUIRED = UserVerificationRequirement.REQUIRED
_name = TypeAdapter(Annotated[Line, Field(max_length=100)])


@dataclass(frozen=True)
class Site:
    """Who asks, as browsers know it: the host of PUBLIC_URL, and its origin."""

    host: str
    origin: str

    @classmethod
    def of(cls, settings: Settings) -> Site | None:
        """`None` where the portal's address is an IP address, for which browsers make no passkeys."""
        parts = urlsplit(settings.public_url)
        host = parts.hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return cls(host, f"{parts.scheme}://{parts.netloc}")
        return None


def begin_adding(tx: Tx, site: Site, login_id: UUID, *, name: str, issuer: str) -> str:
    """What the browser is asked to make a passkey with, as JSON.

    Args:
        name: the account's name on the device.
        issuer: whose account it is.
    """
    options = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=issuer,
        user_id=login_id.bytes,
        user_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(user_verification=_REQUIRED),
        exclude_credentials=_described(passkeys.of(tx, login_id)),
    )
    passkeys.put_challenge(tx, login_id, _ADD, options.challenge, seconds=SECONDS)
    return webauthn.options_to_json(options)


def add(tx: Tx, site: Site, login_id: UUID, name: str, answer: str) -> UUID:
    """Add the passkey that a device made. To be called in a transaction that a refusal rolls back.

    Raises:
        RequestRefused: the answer is none to the account's challenge, the name does not fit, or there are too many.
    """
    name = validated(_name, name, "name")
    if len(passkeys.of(tx, login_id)) >= MOST:
        raise refusals.TOO_MANY_PASSKEYS(most=MOST)
    challenge = passkeys.take_challenge(tx, login_id, _ADD)
    if challenge is None:
        raise refusals.BAD_PASSKEY()
    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError):
        raise refusals.BAD_PASSKEY() from None
    passkey_id: UUID = tx.new_id()
    row = {"id": passkey_id, "login_id": login_id, "name": name, "credential_id": made.credential_id}
    if not passkeys.add(tx, {**row, "public_key": made.credential_public_key, "sign_count": made.sign_count}):
        raise refusals.BAD_PASSKEY()
    return passkey_id


def begin_using(tx: Tx, site: Site, login_id: UUID, purpose: str) -> str:
    """What the browser is asked to sign with one of the account's passkeys, as JSON; `purpose` is SIGN_IN or CONFIRM."""
    options = webauthn.generate_authentication_options(
        rp_id=site.host, allow_credentials=_described(passkeys.of(tx, login_id)), user_verification=_REQUIRED
    )
    passkeys.put_challenge(tx, login_id, purpose, options.challenge, seconds=SECONDS)
    return webauthn.options_to_json(options)


def is_proof(tx: Tx, site: Site, login_id: UUID, purpose: str, answer: str) -> bool:
    """Whether an answer proves that its sender has one of the account's passkeys. Its challenge is used up either way."""
    challenge = passkeys.take_challenge(tx, login_id, purpose)
    passkey = _of_answer(passkeys.of(tx, login_id), answer)
    if challenge is None or passkey is None:
        return False
    try:
        proved = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,  # a count that does not grow is a copy's
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError):
        return False
    return passkeys.used(tx, passkey, proved.new_sign_count)


def _described(found: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=each.credential_id) for each in found]


def _of_answer(found: Sequence[Passkey], answer: str) -> Passkey | None:
    try:
        credential_id = base64url_to_bytes(json.loads(answer)["rawId"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return next((each for each in found if each.credential_id == credential_id), None)
