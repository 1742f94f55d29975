"""Text as searches compare it: without case, accents, punctuation that looks alike, and characters that nobody sees."""

from __future__ import annotations

import unicodedata

#: Letters that have no accent to take off, and how they are typed without them. `ß` folds by its case.
_LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})  # noqa: RUF001 -- letters of their own
#: Apostrophes and what is typed for one: they are left out, as many people do.
_APOSTROPHES = str.maketrans(dict.fromkeys("'’‘‛ʼʻʹ′`´＇"))  # noqa: RUF001 -- they look alike on purpose
_MINUS = "−"  # noqa: RUF001 -- a dash by its look only
#: Letters of a folded name that are stored.
LONGEST_KEY = 500
LONGEST_CODE = 64


def fold_text(text: str) -> str:
    """A text without case and accents, and with one space between words."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold().split())


def fold_name(text: str) -> str:
    """A name as searches compare it: `Weißbach` and `weissbach` are the same. Dashes separate words."""
    plain = fold_text(text.translate(_APOSTROPHES)).translate(_LETTERS)
    return " ".join("".join(map(_seen, plain)).split())


def name_key(*parts: str) -> str:
    """The folded name that is stored and searched."""
    return fold_name(" ".join(parts))[:LONGEST_KEY]


def code_key(code: str | None) -> str | None:
    """A client code as it is stored and searched; `None` for none."""
    return fold_text(code)[:LONGEST_CODE] or None if code else None


def _seen(letter: str) -> str:
    category = unicodedata.category(letter)
    if category == "Pd" or letter == _MINUS:
        return " "
    return "" if category == "Cf" else letter
