"""Whom an OpenID provider vouches for: only what it has signed for us and for this sign-in counts."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.fernet import Fernet
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from pydantic import SecretStr

from config.settings import Settings
from handlers.access.single_sign_on import REST_SECONDS, Provider
from handlers.errors import RequestRefused
from xpm.oauth import Http

ISSUER = "https://id.example"
SECRET = "the secret of our console, which is long enough"
KEY, ANOTHER = (RSAKey.generate_key(2048, auto_kid=True) for _ in range(2))


@dataclass
class Answers:
    """A provider's answers: to be changed by a test."""

    metadata: dict[str, Any] = field(
        default_factory=lambda: {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
        }
    )
    keys: list[RSAKey] = field(default_factory=lambda: [KEY])
    token: httpx.Response = field(default_factory=lambda: httpx.Response(500))
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.metadata)
            case "/keys":
                keys = {"keys": [key.as_dict(private=False) for key in self.keys]}
                return httpx.Response(200, json=keys if self.keys else {})
        self.asked.append(parse_qs(request.content.decode()))
        return self.token


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def provider(answers: Answers) -> Provider:
    settings = Settings(
        ops_oidc_issuer=ISSUER,
        ops_oidc_client_id="console",
        ops_oidc_client_secret=SecretStr(SECRET),
        token_keys=Fernet.generate_key().decode(),
    )
    http = Http(seconds=5, transport=httpx.MockTransport(answers))
    return Provider(settings, http, redirect_uri="https://ops.example/sign-in/sso/back")


@dataclass
class SignIn:
    """One that has begun: what went to the provider, and what the browser keeps."""

    provider: Provider
    answers: Answers
    asked: dict[str, str]
    kept: str

    def claims(self, **changes: object) -> dict[str, Any]:
        """What the provider would say of Olu."""
        now = int(time.time())
        given = {
            "iss": ISSUER,
            "aud": "console",
            "sub": "1",
            "iat": now,
            "exp": now + 300,
            "nonce": self.asked["nonce"],
        }
        found = {**given, "email": "Olu@Platform.example", "email_verified": True, **changes}
        return {name: value for name, value in found.items() if value is not None}

    def answered(self, id_token: str) -> None:
        body = {"access_token": "x", "token_type": "Bearer", "id_token": id_token}
        self.answers.token = httpx.Response(200, json=body)

    def finish(self) -> str:
        return self.provider.finish(self.kept, state=self.asked["state"], code="c").email_key


@pytest.fixture
def sign_in(provider: Provider, answers: Answers) -> SignIn:
    url, kept = provider.begin("/", is_confirmation=False)
    asked = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
    return SignIn(provider, answers, asked, kept)


def signed(claims: dict[str, Any], key: RSAKey = KEY) -> str:
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


def test_the_code_is_exchanged_with_the_verifier_of_the_challenge(sign_in: SignIn) -> None:
    sign_in.answered(signed(sign_in.claims()))
    assert sign_in.finish() == "olu@platform.example"
    [asked] = sign_in.answers.asked
    assert (asked["code"], asked["redirect_uri"]) == (["c"], ["https://ops.example/sign-in/sso/back"])
    assert asked["code_verifier"][0] not in sign_in.kept + json.dumps(sign_in.asked)


WRONG: dict[str, dict[str, object]] = {
    "another nonce": {"nonce": "another sign-in's"},
    "no nonce": {"nonce": None},
    "another app's": {"aud": "another app"},
    "for two apps": {"aud": ["console", "another app"], "azp": "another app"},
    "nobody's": {"aud": None},
    "another issuer": {"iss": "https://id.evil.example"},
    "no issuer": {"iss": None},
    "expired": {"exp": 1_700_000_000},
    "endless": {"exp": None},
    "from the future": {"iat": 4_000_000_000},
    "of nobody": {"sub": None},
    "of too long a name": {"sub": "1" * 256},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_what_is_signed_for_somebody_else_or_has_expired_signs_nobody_in(
    sign_in: SignIn, changes: dict[str, object]
) -> None:
    sign_in.answered(signed(sign_in.claims(**changes)))
    with pytest.raises(RequestRefused, match="doesn't vouch") as refused:
        sign_in.finish()
    assert "evil" not in str(refused.value)


def test_only_the_providers_own_key_counts(sign_in: SignIn) -> None:
    claims = sign_in.claims()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    tokens = [
        signed(claims, ANOTHER),
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET)),
        f"{unsigned}.{signed(claims).split('.')[1]}.",
        signed(claims)[:-8] + "AAAAAAAA",
        "no token",
    ]
    for token in tokens:
        sign_in.answered(token)
        with pytest.raises(RequestRefused, match="doesn't vouch"):
            sign_in.finish()
    # Nor anything while the provider's answer has no keys at all
    sign_in.answers.keys.clear()
    with pytest.raises(RequestRefused, match="doesn't vouch"):
        sign_in.finish()
    sign_in.answers.keys.append(KEY)
    # A key that the provider has got since it was last asked does
    sign_in.answers.keys.append(ANOTHER)
    sign_in.answered(tokens[0])
    assert sign_in.finish() == "olu@platform.example"


@pytest.mark.parametrize(
    ("changes", "is_vouched"),
    [
        pytest.param({"email_verified": "true"}, True, id="as text"),
        pytest.param({"email_verified": None, "xms_edov": 1}, True, id="Microsoft's claim"),
        pytest.param({"email_verified": False}, False, id="not verified"),
        pytest.param({"email_verified": None}, False, id="not said"),
        pytest.param({"email_verified": "false", "xms_edov": "0"}, False, id="denied as text"),
        pytest.param({"email": ["olu@platform.example"]}, False, id="no address"),
    ],
)
def test_an_address_counts_if_the_provider_vouches_for_it(
    sign_in: SignIn, changes: dict[str, object], is_vouched: bool
) -> None:
    sign_in.answered(signed(sign_in.claims(**changes)))
    if is_vouched:
        assert sign_in.finish() == "olu@platform.example"
    else:
        with pytest.raises(RequestRefused, match="email_not_verified"):
            sign_in.finish()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "Call 555-1234"}), "invalid_grant"),
        (httpx.Response(400, json={"error": "Call 555-1234"}), "unknown"),
        (httpx.Response(502, text="<html>"), "status 502"),
        (httpx.Response(200, text="<html>"), "not what the standard says"),
        (httpx.Response(200, json=[]), "not what the standard says"),
        (httpx.Response(200, json={"access_token": "x"}), "no_id_token"),
        (httpx.Response(200, content=b"x" * 2_000_000), "does not answer"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_of_a_failure_only_words_of_the_standard_are_repeated(
    sign_in: SignIn, answer: httpx.Response, said: str
) -> None:
    sign_in.answers.token = answer
    with pytest.raises(RequestRefused, match=said) as refused:
        sign_in.finish()
    assert "555" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [{"issuer": "https://id.evil.example"}, {"token_endpoint": "http://id.example/token"}, {"jwks_uri": None}],
    ids=["another issuer", "in the clear", "no keys"],
)
def test_a_provider_that_says_something_unsafe_of_itself_is_not_used(
    provider: Provider, answers: Answers, changes: dict[str, object]
) -> None:
    answers.metadata |= changes
    with pytest.raises(RequestRefused, match="can't be used now"):
        provider.begin("/", is_confirmation=False)


def test_a_provider_that_is_away_is_asked_again_after_some_seconds(
    provider: Provider, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a provider that names another issuer, and then is as it should be
    right, answers.metadata = answers.metadata, {}
    with pytest.raises(RequestRefused, match="can't be used now"):
        provider.begin("/", is_confirmation=False)
    answers.metadata = right
    # Then it is left alone for a while, so that nobody waits for it
    with pytest.raises(RequestRefused, match="can't be used now"):
        provider.begin("/", is_confirmation=False)
    later = time.monotonic() + REST_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert provider.begin("/", is_confirmation=False)


def test_what_the_browser_keeps_lasts_for_ten_minutes_and_is_of_this_purpose(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in.answered(signed(sign_in.claims()))
    vault = sign_in.provider._settings.vault
    of_another = {**json.loads(vault.decrypt(sign_in.kept)), "purpose": "something else of ours"}
    others = (vault.encrypt(text.encode()).decode() for text in ("{}", "[1]", json.dumps(of_another)))
    for kept in ("", "rubbish", *others):
        with pytest.raises(RequestRefused, match="took too long"):
            sign_in.provider.finish(kept, state=sign_in.asked["state"], code="c")
    later = time.time() + 601
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(RequestRefused, match="took too long"):
        sign_in.finish()
