"""An OpenID provider on this machine, and a console that trusts it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from tests.web.console.desk import OpsDesk, serving
from tests.web.pages.reading import Page, Reader
from tests.world import World

with warnings.catch_warnings():  # it uses parts of Authlib that will go
    warnings.simplefilter("ignore", DeprecationWarning)
    import oidc_provider_mock  # type: ignore[import-untyped]

#: Olu's, an operator.
EMAIL = "olu@platform.example"


@dataclass
class Organisation:
    """An OpenID provider, and the console that trusts it."""

    desk: OpsDesk
    issuer: str

    def knows(self, email: str = EMAIL, account: str = "olu", **claims: object) -> None:
        """Somebody has an account there."""
        claims = {"email": email, "email_verified": True, **claims}
        httpx.put(f"{self.issuer}/users/{account}", json=claims, trust_env=False).raise_for_status()

    def at_provider(self, reader: Reader, path: str = "/sign-in/sso") -> str:
        """The provider's address to which the console sends a browser."""
        answer = reader.browser.get(path, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def back(self, address: str, action: str = "authorize", account: str = "olu") -> str:
        """Sign in at the provider; where it leads back to, on our host."""
        answer = httpx.post(address, data={"sub": account, "action": action}, trust_env=False)
        parts = urlsplit(answer.headers["location"])
        assert parts.path == "/sign-in/sso/back"
        return f"{parts.path}?{parts.query}"

    def through(self, reader: Reader, path: str = "/sign-in/sso", account: str = "olu") -> Page:
        """All of it, as a person goes; the page that it leads to."""
        page = reader.open(self.back(self.at_provider(reader, path), account=account))
        return reader.open(page.links()["Go on"])


@contextmanager
def trusted(world: World, redis_url: str) -> Iterator[Organisation]:
    """The two, until the block ends. The provider is at another site than the console: localhost."""
    with oidc_provider_mock.run_server_in_thread() as server:
        issuer = f"http://localhost:{server.server_port}"
        given = {
            "ops_oidc_issuer": issuer,
            "ops_oidc_client_id": "console",
            "ops_oidc_client_secret": SecretStr("s3cret"),
        }
        with serving(world, redis_url, **given) as desk:
            yield Organisation(desk, issuer)
