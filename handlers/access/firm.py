"""Firm settings: a practice's name and time zone, and how its client pages and emails look."""

from __future__ import annotations

import hashlib
import re
import zoneinfo
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import images, practices
from handlers.access.act import Act
from handlers.access.caller import Caller, Scope
from handlers.fields import has_control_characters
from portal_db.access import looks
from portal_db.database import Database, Tx
from portal_db.tables import PracticeLook

#: Bytes of a logo, pixels of its longer side, and characters of the words of welcome, at most.
MOST_BYTES, MOST_PIXELS, MOST_WORDS = 200 * 1024, 2000, 600
_COLOUR = re.compile(r"#[0-9a-f]{6}")
#: What stands on a colour: whichever of the two is read better.
_LIGHT, _DARK = "#ffffff", "#14202e"


@dataclass(frozen=True)
class Look:
    """How a practice's client pages and emails look; `None` for what it has not set.

    ink: the colour of what stands on its colour.
    logo: the address of its logo, from the portal's root.
    """

    colour: str | None = None
    ink: str | None = None
    welcome_text: str | None = None
    logo: str | None = None

    @property
    def style_sheet(self) -> str | None:
        """The address of the style sheet of its colour."""
        return f"/brand/{self.colour.removeprefix('#')}.css" if self.colour else None

    @classmethod
    def of(cls, row: PracticeLook | None) -> Look:
        if row is None:
            return PLAIN
        logo = f"/brand/{row.practice_id}/{row.logo_digest}/logo" if row.logo_digest else None
        ink = ink_on(row.colour) if row.colour else None
        return cls(row.colour, ink, row.welcome_text, logo)


PLAIN = Look()


def look_of(tx: Tx, practice_id: UUID) -> Look:
    return Look.of(looks.get(tx, practice_id))


def read_look(database: Database, practice_id: UUID) -> Look:
    with database.read() as tx:
        return look_of(tx, practice_id)


def logo(database: Database, practice_id: UUID, digest: str) -> tuple[bytes, str] | None:
    """A practice's logo and its media type, for anybody: it stands in emails."""
    with database.read() as tx:
        return looks.logo(tx, practice_id, digest)


def time_zones() -> list[str]:
    """The names that a practice can choose from."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))


def set_basics(database: Database, caller: Caller, name: str, time_zone: str) -> None:
    """Set the practice's name and time zone.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, or one of the two does not fit.
    """
    caller.require(Scope.MANAGE)
    by = Act.of_staff(caller)
    practices.set_practice(database, caller.practice_id, name=name, time_zone=time_zone, by=by)


def set_look(
    database: Database, caller: Caller, *, colour: str, welcome_text: str, logo: bytes, remove_logo: bool = False
) -> None:
    """Set the look; an empty colour or text takes it away, an empty logo leaves the present one.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, or a value does not fit.
    """
    caller.require(Scope.MANAGE)
    values: dict[str, Any] = {"colour": _colour(colour), "welcome_text": _welcome(welcome_text)}
    if logo:
        picture = _picture(logo)
        digest = hashlib.sha256(logo).hexdigest()[:16]
        values |= {"logo": logo, "logo_type": picture.media_type, "logo_digest": digest}
    elif remove_logo:
        values |= dict.fromkeys(("logo", "logo_type", "logo_digest"))
    with database.write() as tx:
        looks.put(tx, caller.practice_id, values)
        after = ", ".join(sorted(name for name in values if not name.startswith("logo_")))
        Act.of_staff(caller).audit(tx, "practice.look", "practice", caller.practice_id, caller.practice_id, after=after)


def email_values(settings: Settings, look: Look) -> dict[str, str]:
    """What a template of an email to a client uses of a look; empty for what the practice has not set."""
    logo = f"{settings.public_url.rstrip('/')}{look.logo}" if look.logo else ""
    colour, ink = look.colour or "#1f5fbf", look.ink or _LIGHT
    return {"colour": colour, "ink": ink, "logo_url": logo, "welcome_text": look.welcome_text or ""}


def is_colour(text: str) -> bool:
    """Whether this is a colour as it is stored: `#1f5fbf`."""
    return _COLOUR.fullmatch(text) is not None


def ink_on(colour: str) -> str:
    """Light or dark, whichever stands out more from a colour (WCAG 2.2, contrast ratio)."""
    return max((_LIGHT, _DARK), key=lambda ink: _contrast(ink, colour))


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _colour(text: str) -> str | None:
    colour = text.strip().lower()
    if colour and not is_colour(colour):
        raise refusals.BAD_FIELD(field="colour", reason="must be written as #1f5fbf")
    return colour or None


def _welcome(text: str) -> str | None:
    words = " ".join(text.split())
    if len(words) > MOST_WORDS or has_control_characters(words):
        raise refusals.TOO_LONG(field="welcome_text", max_length=MOST_WORDS)
    return words or None


def _picture(content: bytes) -> images.Picture:
    picture = images.recognise(content)
    if picture is None or len(content) > MOST_BYTES or not 0 < max(picture.width, picture.height) <= MOST_PIXELS:
        raise refusals.BAD_LOGO(kilobytes=MOST_BYTES // 1024, pixels=MOST_PIXELS)
    return picture
