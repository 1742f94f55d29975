"""The name that an email greets somebody by. It stands in a message from our sender, so it must not carry one of its own."""

from __future__ import annotations

import re
import unicodedata

from handlers.fields import has_control_characters

LONGEST = 80
#: What mail programs make a link of: a scheme, `www`, or a full stop between letters, however it is written.
_WEB_ADDRESS = re.compile(r"://|\bwww\b|\w[.\u3002\uff61]\w\w", re.IGNORECASE)
#: Characters that are not seen and change the direction in which their neighbours are read.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def fits(name: str) -> bool:
    """Whether somebody may be given this name, which emails greet them by: it is short and has neither a web address nor
    control characters."""
    is_text = not has_control_characters(name)
    return len(name) <= LONGEST and is_text and not _WEB_ADDRESS.search(unicodedata.normalize("NFKC", name))


def greeting(name: str) -> str:
    """`Hello Jane`, or only `Hello` where the name does not fit: XPM holds names that nobody here has checked."""
    return f"Hello {name}" if fits(name) and not _TURNING & set(name) else "Hello"
