"""Email addresses as the portal compares them: normalised, case-insensitive, one spelling for one mailbox (b.2)."""

from __future__ import annotations

from email_validator import EmailNotValidError, validate_email

from handlers import refusals
from handlers.errors import Rejected


def normalise(address: str) -> tuple[str, str]:
    """An address as written to and as compared.

    Returns:
        The normalised address, and its key: ASCII and case-folded, which the unique index is over.

    Raises:
        Rejected: `email_invalid`; the reason names the fault and never the address.
    """
    try:
        found = validate_email(address.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
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
    found = validate_email(address, check_deliverability=False, allow_smtputf8=False)
    return found.ascii_email or address
