"""Email addresses as the portal compares them: normalised, case-insensitive, one spelling for one mailbox (b.2).

People paste more than an address into XPM's field: what holds exactly one address stands for it.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from handlers import refusals
from handlers.errors import Rejected

#: Around an address with its owner's name, and between two addresses.
_NAMED = re.compile(r"[^<>@]*<([^<>]+)>[\s.,;]*")
_SEPARATORS = re.compile(r"[\s,;<>]+")
_MAILTO = re.compile(r"mailto:\s*([^?]*)(?:\?.*)?", re.IGNORECASE | re.DOTALL)


def bare(text: str) -> str:
    """The one address that a text consists of, without what people and programs put around it: `mailto:`, `Jane <…>`, a full
    stop, invisible characters. Any other text stays as it is, since half of a mistyped address may be somebody else's."""
    text = _visible(text)
    named = _NAMED.fullmatch(text)
    words = _words(named[1] if named else text)
    return words[0] if len(words) == 1 and "@" in words[0] else text


def _words(text: str) -> list[str]:
    """The different words of a text without what may stand around an address."""
    link = _MAILTO.fullmatch(_visible(text))
    words = (_visible(word).strip(".:") for word in _SEPARATORS.split(link[1] if link else text))
    return list({word.casefold(): word for word in words if word}.values())


def _visible(text: str) -> str:
    """The text without spaces, controls and other invisible characters around it."""
    shown = [at for at, letter in enumerate(text) if unicodedata.category(letter)[0] not in "CZ"]
    return text[shown[0] : shown[-1] + 1] if shown else ""


@lru_cache(maxsize=1_000)  # several jobs of an import ask about the same address, one soon after the other
def _validated(address: str) -> ValidatedEmail:
    return validate_email(address, check_deliverability=False, allow_smtputf8=False)


def normalise(address: str) -> tuple[str, str]:
    """An address as written to and as compared.

    Returns:
        The normalised address, and its key: ASCII and case-folded, which the unique index is over.

    Raises:
        Rejected: `email_invalid` or `email_ambiguous`; the reason names the fault and never the address.
    """
    try:
        found = _validated(bare(address))
    except EmailNotValidError:
        if sum("@" in word for word in _words(address)) > 1:
            raise refusals.EMAIL_AMBIGUOUS() from None
        raise refusals.EMAIL_INVALID() from None
    spelled = found.ascii_email or found.normalized
    return found.normalized, spelled.casefold()


def normalise_requested(address: str) -> tuple[str, str]:
    """As `normalise`, for the field `email` of a request.

    Raises:
        RequestRefused: `email_invalid`.
    """
    try:
        return normalise(address)
    except Rejected:
        raise refusals.INVALID_ADDRESS() from None


def for_delivery(address: str) -> str:
    """A normalised address as mail servers take it: the domain in ASCII, the mailbox spelled as it was."""
    found = _validated(address)
    return found.ascii_email or address
