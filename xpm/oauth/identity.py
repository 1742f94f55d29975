"""Xero's identity server: the consent address, tokens for codes, refresh and revocation, through Authlib.

Source: facts on OAuth 2 at Xero. Access tokens are opaque to us, except for the claim that names their user.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]  # Authlib has no types of its own

from xpm.oauth.errors import AppRefused, GrantRefused, IdentityMalformed, IdentityUnavailable
from xpm.oauth.http import Http, read_json, require_usable

SCOPES = ("offline_access", "practicemanager.client.read")
"""The least that imports need: read-only access to clients and their groups, also while no user is signed in."""
DEFAULT_EXPIRES_IN = 600.0
"""How many seconds a token lasts if Xero does not say."""

_WORD = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class App:
    """Our app as registered at Xero, including the exact `redirect_uri`."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True)
class Grant:
    """Tokens as Xero issued them. `refresh_token` may be missing; `expires_in` is in seconds.

    `scopes` is empty if Xero did not say what it granted.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_in: float
    scopes: frozenset[str]

    @property
    def xero_user_id(self) -> str:
        """Whose tokens they are: the claim `xero_userid` of the access token, which we got from Xero itself.

        Raises:
            IdentityMalformed: the token holds no such claim.
        """
        claimed = _claims(self.access_token).get("xero_userid")
        if not isinstance(claimed, str) or not 0 < len(claimed) <= 64:
            raise IdentityMalformed("the access token does not name its user")
        return claimed


class XeroIdentity:
    """The identity server at `identity_url`, with its consent page at `authorize_url`.

    Methods that call it raise `IdentityUnavailable`, `IdentityMalformed` and `AppRefused`.
    """

    def __init__(self, app: App, http: Http, *, identity_url: str, authorize_url: str) -> None:
        self._app = app
        self._http = http
        self._token_url = f"{identity_url.rstrip('/')}/connect/token"
        self._revocation_url = f"{identity_url.rstrip('/')}/connect/revocation"
        self._authorize_url = authorize_url

    def authorization_url(self, *, state: str, code_verifier: str) -> str:
        """Where to send a person for consent; PKCE by S256. Xero sends them back with `code` and this `state`."""
        url, _ = self._client().create_authorization_url(
            self._authorize_url, state=state, code_verifier=code_verifier, scope=" ".join(SCOPES)
        )
        return str(url)

    def exchange(self, code: str, *, code_verifier: str) -> Grant:
        """Tokens for a code, which works once, within five minutes.

        Raises:
            GrantRefused: the code was used, is too old, or belongs to another verifier.
        """
        client = self._client()
        answer = _parsed(lambda: client.fetch_token(
            self._token_url, grant_type="authorization_code", code=code, code_verifier=code_verifier
        ))  # fmt: skip
        return _grant(answer, None)

    def refresh(self, refresh_token: str) -> Grant:
        """New tokens for a refresh token, which Xero replaces with every use.

        Raises:
            GrantRefused: it was revoked, replaced too long ago, or not used for 60 days.
        """
        client = self._client()
        return _grant(
            _parsed(lambda: client.refresh_token(self._token_url, refresh_token=refresh_token)), refresh_token
        )

    def revoke(self, refresh_token: str) -> None:
        """End the grant behind a refresh token. One that is already dead is no error (RFC 7009)."""
        answer = self._client().revoke_token(
            self._revocation_url, token=refresh_token, token_type_hint="refresh_token"  # noqa: S106 -- OAuth's word
        )  # fmt: skip
        _raise_for_refusal(require_usable(answer))
        if not answer.is_success:
            raise IdentityMalformed(f"status {answer.status_code} was not expected")

    def _client(self) -> Any:
        """A client for one call, because Authlib's clients keep the last token and several threads call this."""
        client = OAuth2Client(
            session=self._http,
            client_id=self._app.client_id,
            client_secret=self._app.client_secret,
            redirect_uri=self._app.redirect_uri,
            code_challenge_method="S256",
        )
        # Before Authlib reads an error: it fails on descriptions with characters that OAuth does not allow.
        client.register_compliance_hook("access_token_response", _require_success)
        client.register_compliance_hook("refresh_token_response", _require_success)
        return client


def _require_success(response: httpx.Response) -> httpx.Response:
    _raise_for_refusal(require_usable(response))
    if not response.is_success:
        raise IdentityMalformed(f"status {response.status_code} was not expected")
    return response


def _raise_for_refusal(response: httpx.Response) -> None:
    """Raise our error for an OAuth error code. Its description varies and is not read."""
    body = read_json(response)
    if not isinstance(body, dict) or "error" not in body:
        return
    code = str(body["error"])
    if code == "invalid_grant":
        raise GrantRefused
    if code in ("server_error", "temporarily_unavailable"):
        raise IdentityUnavailable(code)
    raise AppRefused(code if _WORD.fullmatch(code) else "unknown")


def _parsed(call: Any) -> dict[str, Any]:
    """The answer that Authlib read, or our error if it could not."""
    try:
        answer: dict[str, Any] = call()
    except (ValueError, TypeError):
        raise IdentityMalformed("it is no token answer") from None
    return answer


def _grant(answer: dict[str, Any], previous_refresh_token: str | None) -> Grant:
    access, refresh = answer.get("access_token"), answer.get("refresh_token", previous_refresh_token)
    if not isinstance(access, str) or not access or not isinstance(refresh, str | None):
        raise IdentityMalformed("it holds no access token")
    scope = answer.get("scope")
    return Grant(
        access_token=access,
        refresh_token=refresh or previous_refresh_token,
        expires_in=_lifetime(answer.get("expires_in")),
        scopes=frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
    )


def _lifetime(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # anything that is not a number raises
    except (TypeError, ValueError):
        return DEFAULT_EXPIRES_IN
    return seconds if 0 < seconds < 10_000_000 else DEFAULT_EXPIRES_IN


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JSON web token. Its signature is not checked."""
    _, _, rest = token.partition(".")
    payload, _, _ = rest.partition(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
