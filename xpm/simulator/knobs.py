"""Switches for XPM behaviour that is not publicly documented, so that a client can be tested against each variant."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal, get_args

UnknownUuid = Literal["ok_error", "not_found", "server_error"]


@dataclass(frozen=True, slots=True)
class Knobs:
    """How the simulator behaves where XPM's own behaviour is unknown or varies.

    unknown_uuid: `get` of an unknown uuid answers 200 with status ERROR, or 404, or 500, always with the same body.
    strict_content_type: whether the header that asks for JSON is honoured; if not, every answer is XML.
    omit_retry_after: the kinds of 429 (`minute`, `day`, `concurrent`, `appminute`) without `Retry-After`.
    api_method_attribute: whether XML answers carry the legacy attribute `<Response api-method="List">`.
    access_token_seconds: how long access tokens last, on the simulator's clock.
    consent_page: whether a page asks for consent and practices; if not, consent is given at once.
    consent_error: the error that the consent page returns instead of a code, such as `access_denied`.
    consent_tenants: the tenants that consent is given for; empty for the first one only.
    withheld_scopes: scopes that are requested but not granted.
    other_tenants: whether `/connections` also lists an organisation, which is not an XPM practice.
    scope_missing: XPM finds that tokens lack its scope. privilege_lost: XPM denies every call, while Xero does not.
    identity_status: the identity server answers its token and revocation calls with this status.
    """

    unknown_uuid: UnknownUuid = "ok_error"
    strict_content_type: bool = True
    omit_retry_after: tuple[str, ...] = ()
    api_method_attribute: bool = False
    access_token_seconds: float = 1800.0
    consent_page: bool = False
    consent_error: str | None = None
    consent_tenants: tuple[str, ...] = ()
    withheld_scopes: tuple[str, ...] = ()
    other_tenants: bool = False
    scope_missing: bool = False
    privilege_lost: bool = False
    identity_status: int | None = None

    def __post_init__(self) -> None:
        if self.unknown_uuid not in get_args(UnknownUuid):
            raise ValueError(
                f"unknown_uuid must be one of {', '.join(get_args(UnknownUuid))}, not {self.unknown_uuid!r}."
            )

    def changed(self, changes: dict[str, object]) -> Knobs:
        """These knobs with some changed.

        Raises:
            ValueError: for an unknown knob or an invalid value.
        """
        unknown = set(changes) - {field.name for field in fields(self)}
        if unknown:
            raise ValueError(f"There is no knob called {', '.join(sorted(unknown))}.")
        changes = {name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()}
        return replace(self, **changes)  # type: ignore[arg-type]  # __post_init__ checks the values
