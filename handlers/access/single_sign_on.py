"""Single sign-on of operators: their organisation's OpenID provider says who they are (OpenID Connect Core 3.1, with PKCE).

What a sign-in began with stays with the browser, encrypted, so that only the browser that began it can end it. The
provider's answers are bounded and have a deadline; of its errors only the codes of the standard are repeated.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]  # Authlib has no types of its own
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]  # as above
from cryptography.fernet import InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from config.exposure import is_loopback
from config.settings import Settings
from handlers import refusals
from handlers.access import sessions
from handlers.access.tokens import hashed
from handlers.errors import RequestRefused
from xpm.oauth import Http, XeroAuthError
from xpm.oauth.http import read_json

#: How long the provider's answers may take.
ANSWER_SECONDS = 10.0
#: A provider that could not be read is asked again after this time.
REST_SECONDS = 5.0
#: How long somebody may take at the provider.
SECONDS = 600
#: So much may clocks differ.
LEEWAY_SECONDS = 60
#: Signed by a key of the provider's: never by our secret, never unsigned.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
#: Claims by which a provider vouches for an address: OpenID's own, and that of Microsoft Entra.
VOUCHES = ("email_verified", "xms_edov")
#: By the standard.
LONGEST_SUBJECT = 255
_PURPOSE = "single sign-on"
_WORD = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True)
class Begun:
    """A sign-in at the provider, as the browser keeps it. `next`: where it leads; `is_confirmation`: whether somebody who is
    signed in confirms that it is them."""

    state: str
    nonce: str
    code_verifier: str
    next: str
    is_confirmation: bool
    purpose: str = _PURPOSE


@dataclass(frozen=True)
class Identity:
    """Who somebody is. `account_hash`: of the account at the provider, which stays theirs, as an email may not.
    `signed_in_at`: when they last gave the provider their password or factor, in seconds since 1970."""

    account_hash: str
    email_key: str
    signed_in_at: float | None
    begun: Begun


class Provider:
    """An OpenID provider. Methods that call it raise `RequestRefused`: `sign_on_away` or `sign_on_refused`.

    Args:
        redirect_uri: where it sends people back to, as registered there.
    """

    def __init__(self, settings: Settings, http: Http, *, redirect_uri: str) -> None:
        self._settings = settings
        self._http = http
        self._redirect_uri = redirect_uri
        self._issuer = settings.ops_oidc_issuer.rstrip("/")
        self._lock = threading.Lock()
        self._metadata: Mapping[str, Any] | None = None
        self._refused: RequestRefused | None = None
        self._refused_until = 0.0
        self._keys: KeySet | None = None

    def begin(self, to: str, *, is_confirmation: bool) -> tuple[str, str]:
        """Begin a sign-in: the provider's address to go to, and what the browser keeps meanwhile. A confirmation asks for
        password or factor again, even of somebody whom the provider knows."""
        state, nonce, code_verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = Begun(state, nonce, code_verifier, to, is_confirmation)
        more = {"prompt": "login", "max_age": 0} if is_confirmation else {}
        url, _ = self._client().create_authorization_url(
            self.metadata()["authorization_endpoint"],
            state=begun.state,
            nonce=begun.nonce,
            code_verifier=begun.code_verifier,
            scope="openid email",
            **more,
        )
        return str(url), self._settings.vault.encrypt(json.dumps(asdict(begun)).encode()).decode()

    def finish(self, kept: str, *, state: str, code: str) -> Identity:
        """Who came back from the provider with this code.

        Raises:
            RequestRefused: `sign_in_ended` if it is not the sign-in that this browser began; or the provider does not vouch
                for the email.
        """
        begun = self._opened(kept)
        if begun is None or not secrets.compare_digest(begun.state.encode(), state.encode()):
            raise refusals.SIGN_IN_ENDED()
        answer = self._call(
            lambda: self._client().fetch_token(
                self.metadata()["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=begun.code_verifier,
            )
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("id_token"), str):
            raise refusals.SIGN_ON_REFUSED(reason="no_id_token")
        claims = self._claims(answer["id_token"], begun, answer.get("access_token"))
        subject, email = claims.get("sub"), claims.get("email")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise refusals.SIGN_ON_REFUSED(reason="no_subject")
        if not isinstance(email, str) or not any(claims.get(name) in (True, 1, "true", "1") for name in VOUCHES):
            raise refusals.SIGN_ON_REFUSED(reason="email_not_verified")
        at = claims.get("auth_time")
        account = hashed(f"{self._issuer}\n{subject}")
        return Identity(
            account, sessions.key_of(email[:320]), float(at) if isinstance(at, int | float) else None, begun
        )

    def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself, read once. While it cannot be read, few threads wait for it."""
        with self._lock:
            if self._metadata is None:
                if self._refused is not None and time.monotonic() < self._refused_until:
                    raise self._refused
                try:
                    self._metadata = self._read_metadata()
                except RequestRefused as refused:
                    self._refused, self._refused_until = refused, time.monotonic() + REST_SECONDS
                    raise
            return self._metadata

    def _read_metadata(self) -> Mapping[str, Any]:
        found = self._get(f"{self._issuer}/.well-known/openid-configuration")
        if str(found.get("issuer", "")).rstrip("/") != self._issuer:
            raise refusals.SIGN_ON_AWAY(reason="it names another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not _is_safe(found.get(name)):
                raise refusals.SIGN_ON_AWAY(reason=f"its {name} is no https:// address")
        return found

    def _opened(self, kept: str) -> Begun | None:
        try:
            begun = Begun(**json.loads(self._settings.vault.decrypt(kept.encode(), ttl=SECONDS)))
        except (InvalidToken, ValueError, TypeError):
            return None
        return begun if begun.purpose == _PURPOSE else None

    def _claims(self, id_token: str, begun: Begun, access_token: object) -> Mapping[str, Any]:
        """An ID token's claims: signed by the provider for us and for this sign-in, and not expired."""
        try:
            token = self._decoded(id_token)
            params = {
                "nonce": begun.nonce,
                "client_id": self._settings.ops_oidc_client_id,
                "access_token": access_token,
            }
            options = {
                "iss": {"essential": True, "values": [self.metadata()["issuer"]]},
                "aud": {"essential": True, "value": self._settings.ops_oidc_client_id},
            }
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(leeway=LEEWAY_SECONDS)
        except (JoseError, KeyError, ValueError, TypeError) as error:
            raise refusals.SIGN_ON_REFUSED(reason=type(error).__name__) from None  # its text may quote a claim
        return dict(claims)

    def _decoded(self, id_token: str) -> jwt.Token:
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        if self._keys is not None:
            try:
                return jwt.decode(id_token, self._keys, registry=registry)
            except JoseError:
                pass  # it may have got new keys
        keys: Any = self._get(self.metadata()["jwks_uri"])
        self._keys = KeySet.import_key_set(keys)
        return jwt.decode(id_token, self._keys, registry=registry)

    def _get(self, url: str) -> dict[str, Any]:
        answer = self._call(lambda: self._http.send("GET", url, {"Accept": "application/json"}).json())
        if not isinstance(answer, dict):
            raise refusals.SIGN_ON_AWAY(reason="its answer is not what the standard says")
        return answer

    def _call(self, call: Any) -> Any:
        try:
            return call()
        except XeroAuthError:
            raise refusals.SIGN_ON_AWAY(reason="it does not answer") from None
        except (ValueError, TypeError):
            raise refusals.SIGN_ON_AWAY(reason="its answer is not what the standard says") from None

    def _client(self) -> Any:
        """A client for one call: Authlib's keep the last token."""
        client = OAuth2Client(
            session=self._http,
            client_id=self._settings.ops_oidc_client_id,
            client_secret=self._settings.ops_oidc_client_secret.get_secret_value(),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )
        client.register_compliance_hook("access_token_response", _require_token)
        return client


def _require_token(response: httpx.Response) -> httpx.Response:
    """Before Authlib raises an error whose text is the provider's."""
    body = read_json(response)
    if isinstance(body, dict) and "error" in body:
        raise refusals.SIGN_ON_REFUSED(reason=known_word(body["error"]))
    if not response.is_success:
        raise refusals.SIGN_ON_AWAY(reason=f"it answers with status {response.status_code}")
    return response


def known_word(code: object) -> str:
    """An error code of OAuth's, or of somebody who made it up."""
    return code if isinstance(code, str) and _WORD.fullmatch(code) else "unknown"


def _is_safe(url: object) -> bool:
    parts = urlsplit(url) if isinstance(url, str) else None
    return parts is not None and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)))
