"""OAuth 2 at Xero: consent, tokens, their refresh, and the list of practices behind them. Protocol only.

Where tokens are kept, who may connect, and how a broken connection is handled is decided elsewhere.
"""

from xpm.oauth.connections import Tenant, XeroConnections
from xpm.oauth.errors import (
    AppRefused,
    CoolingDown,
    GrantRefused,
    IdentityMalformed,
    IdentityUnavailable,
    ReconnectNeeded,
    RefreshUnderWay,
    TokenRefused,
    XeroAuthError,
)
from xpm.oauth.http import Http
from xpm.oauth.identity import SCOPES, App, Grant, XeroIdentity
from xpm.oauth.refreshing import LEASE_SECONDS, MAX_COOLING_SECONDS, StoredTokens, Token, Tokens

__all__ = [
    "LEASE_SECONDS",
    "MAX_COOLING_SECONDS",
    "SCOPES",
    "App",
    "AppRefused",
    "CoolingDown",
    "Grant",
    "GrantRefused",
    "Http",
    "IdentityMalformed",
    "IdentityUnavailable",
    "ReconnectNeeded",
    "RefreshUnderWay",
    "StoredTokens",
    "Tenant",
    "Token",
    "TokenRefused",
    "Tokens",
    "XeroAuthError",
    "XeroConnections",
    "XeroIdentity",
]
