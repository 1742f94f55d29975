"""What a new password must be: long enough, hard to guess, and nothing that is known about its owner.

Length and guessability, no composition rules (NIST SP 800-63B, 5.1.1.2). Guesses are counted by zxcvbn, which ships the
30,000 most frequent passwords of public breaches.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import permutations

from config.folding import name_key
from handlers import refusals

SHORTEST, LONGEST = 12, 200
#: What guessing it takes at least; a password of 12 random letters takes a thousand times as many.
FEWEST_GUESSES = 10**9
#: zxcvbn looks at so many characters: its time grows with the square of the length. Any more only make a password better.
LOOKED_AT = 32
#: Characters that stand for letters, as in `p@ssword`. Read so beforehand, because zxcvbn tries every combination of
#: readings: 12 seconds for 72 characters chosen to that end.
_READ_AS = str.maketrans("@([{<!|$+%", "accccilstx")
#: A shorter word of a name or an address says nothing of its owner, unless it is joined with others; without such words this
#: much must be left.
KNOWN_WORD, LEFT_OVER = 4, 8
#: Words of a name, a firm or an address that are joined with each other.
MOST_JOINED = 6


def as_typed(text: str) -> str:
    """What somebody typed as their password, but no megabytes. One that is too long is never taken for its beginning."""
    return text[: LONGEST + 1]


def require(password: str, known: Collection[str]) -> None:
    """Check a new password.

    Args:
        known: what is known about its owner: their name, email address and firm.

    Raises:
        RequestRefused: it is too short or too long, easy to guess, or like what is known about them.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        refusal = refusals.PASSWORD_TOO_SHORT if len(password) < SHORTEST else refusals.PASSWORD_TOO_LONG
        raise refusal(min_length=SHORTEST, max_length=LONGEST)
    if _is_like(password, known):
        raise refusals.PASSWORD_PERSONAL()
    if _guesses(password) < FEWEST_GUESSES:
        raise refusals.PASSWORD_COMMON()


def _is_like(password: str, known: Collection[str]) -> bool:
    """Whether little is left of a password without the words that are known."""
    words = {word for text in known for part in _parts(text) for word in _words(part) if len(word) >= KNOWN_WORD}
    rest = written = re.sub(r"[\W_]+", "", name_key(password.translate(_READ_AS)))
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != written and len(rest) < LEFT_OVER


def _parts(text: str) -> list[str]:
    """A name as it is; of an email address what is before the @, and each label of its domain."""
    local, at, domain = text.rpartition("@")
    return [local, *domain.split(".")] if at else [text]


def _words(part: str) -> set[str]:
    """The words of a name, and what people make of them: two or all of them as one word, in either order."""
    words = [word for word in re.split(r"[\W_]+", name_key(part)) if word]
    joined = {"".join(pair) for pair in permutations(words[:MOST_JOINED], 2)}
    return {*words, *joined, "".join(words), "".join(reversed(words))}


def _guesses(password: str) -> float:
    from zxcvbn import zxcvbn  # it reads its lists for a quarter of a second, which no other command should wait for

    guesses: float = zxcvbn(password.translate(_READ_AS)[:LOOKED_AT])["guesses"]
    return guesses
