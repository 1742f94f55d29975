"""Xero's identity server and its list of connections: consent, tokens, revocation.

Consent is given at once unless a knob turns the consent page on. Source of the shapes: facts on OAuth 2 at Xero.
"""

from __future__ import annotations

import base64
import hmac
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from xpm.simulator.identity import consent
from xpm.simulator.identity.grants import SOMEBODY, InvalidGrantError, Issued, connection_id
from xpm.simulator.state import Simulator


def oauth_routes(simulator: Simulator) -> list[Route]:
    """The routes of the identity server, and of leaving a connection."""
    server = IdentityServer(simulator)
    return [
        Route("/identity/connect/authorize", server.authorize, methods=["GET"]),
        Route("/connect/token", server.token, methods=["POST"]),
        Route("/connect/revocation", server.revoke, methods=["POST"]),
        Route("/connections/{connection}", server.leave, methods=["DELETE"]),
        Route("/_sim/oauth/{action}", server.control, methods=["POST"]),
    ]


class IdentityServer:
    """One method for each route."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._grants = simulator.grants

    async def authorize(self, request: Request) -> Response:
        """Redirect the person back with a code, or with the knobs' error; or show the consent page first.

        `login_hint` names the Xero user. Without it, everyone is the same user.
        """
        asked, knobs = request.query_params, self._simulator.knobs
        back, state = asked.get("redirect_uri", ""), asked.get("state", "")
        if asked.get("client_id") != self._simulator.client_id or not back.startswith(("http://", "https://")):
            return JSONResponse({"error": "unauthorized_client"}, 400)
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return RedirectResponse(f"{back}?{urlencode({'error': 'invalid_request', 'state': state})}", 302)
        if knobs.consent_error:
            return RedirectResponse(f"{back}?{urlencode({'error': knobs.consent_error, 'state': state})}", 302)
        if knobs.consent_page and asked.get("answer") is None:
            return HTMLResponse(consent.page(asked, list(self._simulator.tenants.values())))
        if asked.get("answer", "allow") != "allow":
            return RedirectResponse(f"{back}?{urlencode({'error': 'access_denied', 'state': state})}", 302)
        granted = " ".join(scope for scope in asked.get("scope", "").split() if scope not in knobs.withheld_scopes)
        chosen = tuple(tenant for tenant in asked.getlist("practice") if tenant in self._simulator.tenants)
        first = () if knobs.consent_page else tuple(self._simulator.tenants)[:1]
        tenants = list(chosen or knobs.consent_tenants or first)
        user = asked.get("login_hint") or SOMEBODY
        code = self._grants.consent(user, granted, tenants, asked.get("code_challenge", ""), back)
        return RedirectResponse(f"{back}?{urlencode({'code': code, 'scope': granted, 'state': state})}", 302)

    async def token(self, request: Request) -> Response:
        """Tokens for a code or a refresh token."""
        form = await self._form(request)
        if form is None:
            return JSONResponse({"error": "invalid_client"}, 401)
        if self._simulator.knobs.identity_status is not None:
            return JSONResponse({"error": "server_error"}, self._simulator.knobs.identity_status)
        life = self._simulator.knobs.access_token_seconds
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    code, verifier = form.get("code", ""), form.get("code_verifier", "")
                    issued = self._grants.exchange(code, verifier, form.get("redirect_uri", ""), life=life)
                case "refresh_token":
                    issued = self._grants.renew(form.get("refresh_token", ""), life=life)
                case _:
                    return JSONResponse({"error": "unsupported_grant_type"}, 400)
        except InvalidGrantError:
            # Descriptions vary, and hold characters that OAuth does not allow.
            return JSONResponse({"error": "invalid_grant", "error_description": 'The "grant" is no more — sorry'}, 400)
        return JSONResponse(_answer(issued))

    async def revoke(self, request: Request) -> Response:
        form = await self._form(request)
        if form is None:
            return JSONResponse({"error": "invalid_client"}, 401)
        if self._simulator.knobs.identity_status is not None:
            return Response(status_code=self._simulator.knobs.identity_status)
        self._grants.revoke(form.get("token", ""))
        return Response(status_code=200)

    async def leave(self, request: Request) -> Response:
        """Delete a connection of the token's user."""
        access = self._simulator.access
        user = access.user(request.headers)
        denial = access.denial(request.headers, needs_tenant=False)
        if denial is not None or user is None:
            return JSONResponse({"Title": "Unauthorized", "Status": 401, "Detail": "AuthenticationUnsuccessful"}, 401)
        for tenant in list(self._grants.connected.get(user, [])):
            if connection_id(tenant) == request.path_params["connection"]:
                self._grants.connected[user].remove(tenant)
                self._grants.counts["deletions"] += 1
                return Response(status_code=204)
        return JSONResponse({"Title": "NotFound", "Status": 404, "Detail": "No such connection"}, 404)

    async def control(self, request: Request) -> Response:
        """For tests and by hand: `expire` access tokens, `revoke` consents, `end-grace`, or `disconnect` all practices."""
        actions = {
            "expire": self._grants.expire_all,
            "revoke": self._grants.revoke_all,
            "end-grace": self._grants.end_grace,
            "disconnect": self._grants.connected.clear,
        }
        action = actions.get(request.path_params["action"])
        if action is None:
            return JSONResponse({"detail": f"Unknown action. Use one of {', '.join(actions)}."}, 404)
        action()
        return Response(status_code=204)

    async def _form(self, request: Request) -> dict[str, str] | None:
        """The form of a caller with the app's secret; `None` for any other."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        wanted = base64.b64encode(f"{self._simulator.client_id}:{self._simulator.client_secret}".encode()).decode()
        if scheme.lower() != "basic" or not hmac.compare_digest(given.encode(), wanted.encode()):
            return None
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True)
        return {name: values[0] for name, values in fields.items()}


def _answer(issued: Issued) -> dict[str, object]:
    return {
        "access_token": issued.access_token,
        "refresh_token": issued.refresh_token,
        "expires_in": issued.expires_in,
        "token_type": "Bearer",
        "scope": issued.scope,
    }
