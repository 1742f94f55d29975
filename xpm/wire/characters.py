"""A body's bytes to the UTF-8 that both parsers accept, piece by piece: one odd character must not stop a whole list.

Characters that XML forbids are dropped, raw or as references, and from JSON lone surrogates; bytes that are not in the
body's character set become U+FFFD. In XML an ampersand that begins no reference XML knows stands for itself. Memory holds
one piece and the beginning of one reference or escape.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from xpm.errors import XpmMalformed

HEAD_BYTES = 256
"""How much of a body is needed to know its character set: a BOM, or an XML declaration."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,100}?\sencoding\s*=\s*["']([A-Za-z][\w.-]{0,40})["']""", re.ASCII)
_WIDE = re.compile(r"utf-(16|32)")
_READABLE = re.compile(r"utf-(8|16|32)(-sig|-[lb]e)?|ascii|(iso8859-|cp|koi8-|mac-)\w+", re.ASCII)

_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")
# JSON allows no raw tab or line break within a text, and between values each of them means the same as a space.
_JSON_SPACES = bytes.maketrans(b"\t\n\r", b"   ")
# U+FFFE and U+FFFF.
_FORBIDDEN = re.compile(b"\xef\xbf[\xbe\xbf]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,12})|([0-9]{1,12}));")
_LONGEST_REFERENCE = 16
# An ampersand that somebody forgot to escape. Document types are refused, so no entity has a name but these five.
_BARE = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,12}|#x[0-9a-fA-F]{1,12});)")
_CDATA, _CDATA_END = b"<![CDATA[", b"]]>"
_BEGUN_MARKS = tuple((mark[:length], length) for mark in (_CDATA, _CDATA_END) for length in range(1, len(mark)))

# A JSON escape: of a character beyond U+FFFF by its two surrogates, of a lone surrogate, or any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_BEGUN_ESCAPE = re.compile(rb"\\+(?:u(?:[0-9a-fA-F]{0,3}|[dD][89aAbB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?))?\Z")
_LONGEST_ESCAPE = 12
_WITHIN_TEXT = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
# What stands neither between JSON's texts nor in its numbers.
_OF_TEXTS = re.compile(rb"[^\s,:0-9eE.+-]")


class Characters:
    """Translates the pieces of one body in a character set of `character_set_of`."""

    def __init__(self, character_set: str, *, is_json: bool) -> None:
        self._decoder = codecs.getincrementaldecoder(character_set)("replace")
        self._is_json = is_json
        self._table = _JSON_SPACES if is_json else None
        self._held = b""
        self._mark = _CDATA  # or, within such a section, its end
        self.skips = False

    def feed(self, piece: bytes, *, is_last: bool = False) -> bytes:
        """The next piece for the parser."""
        raw = self._decoder.decode(piece, is_last).encode()
        raw = raw.translate(self._table, _CONTROLS)
        if b"\xef\xbf" in raw:
            raw = _FORBIDDEN.sub(b"", raw)
        raw = self._held + raw
        if not self._is_json:
            return self._without_references(raw, is_last=is_last)
        whole = self._without_lone_surrogates(raw, is_last=is_last)
        return self._after_text(whole) if self.skips else whole

    def skip_text(self, last: bytes) -> bool:
        """Drop what comes up to the end of the JSON text that the parser is in.

        Args:
            last: what the parser was fed last, without an event.

        Returns:
            Whether it shows that the parser is in a text.
        """
        self.skips = self._is_json and _OF_TEXTS.search(last) is not None
        return self.skips

    def _after_text(self, raw: bytes) -> bytes:
        within = _WITHIN_TEXT.match(raw)
        rest = raw[within.end() if within else 0 :]
        self.skips = not rest
        return rest

    def _without_lone_surrogates(self, raw: bytes, *, is_last: bool) -> bytes:
        # An escape may continue in the next piece. Held from its first backslash, it stays clear which one begins it.
        is_begun = not is_last and b"\\" in raw[-_LONGEST_ESCAPE:]
        begun = _BEGUN_ESCAPE.search(raw) if is_begun else None
        whole = begun.start() if begun else len(raw)
        raw, self._held = raw[:whole], raw[whole:]
        if b"\\ud" not in raw and b"\\uD" not in raw:
            return raw
        return _ESCAPE.sub(lambda escape: b"" if escape[1] else escape[0], raw)

    def _without_references(self, raw: bytes, *, is_last: bool) -> bytes:
        whole = len(raw) if is_last else _whole_of(raw)
        raw, self._held = raw[:whole], raw[whole:]
        if self._mark is _CDATA and _CDATA not in raw:
            return _with_known_references(raw)
        return b"".join(self._beside_cdata(raw))

    def _beside_cdata(self, raw: bytes) -> Iterator[bytes]:
        """The piece, with what is within CDATA sections, where there are no references, as it is."""
        while raw:
            section, mark, raw = raw.partition(self._mark)
            yield section + mark if self._mark is _CDATA_END else _with_known_references(section) + mark
            if mark:
                self._mark = _CDATA if self._mark is _CDATA_END else _CDATA_END


def _whole_of(raw: bytes) -> int:
    """How much of a piece is certain: a reference or a mark at its end may continue in the next one."""
    begun = raw.rfind(b"&", max(0, len(raw) - _LONGEST_REFERENCE))
    whole = len(raw) if begun < 0 or raw.find(b";", begun) >= 0 else begun
    return min(whole, *(len(raw) - length for mark, length in _BEGUN_MARKS if raw.endswith(mark)), len(raw))


def _with_known_references(raw: bytes) -> bytes:
    """The text with every bare ampersand escaped, and without references to characters that XML forbids."""
    if b"&" not in raw:
        return raw
    raw = _BARE.sub(b"&amp;", raw)
    return _REFERENCE.sub(_allowed, raw) if b"&#" in raw else raw


def _allowed(reference: re.Match[bytes]) -> bytes:
    """The reference, or nothing if XML forbids its character."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    is_allowed = code in (0x9, 0xA, 0xD) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0xFFFF < code < 0x110000
    return reference[0] if is_allowed else b""


def character_set_of(head: bytes, charset: str | None) -> str:
    """The character set of a body, from its first bytes and the `charset` of its content type.

    What the bytes show counts most; then the `charset`, then an XML declaration, then UTF-8. Some programs declare UTF-16
    and write UTF-8.

    Raises:
        XpmMalformed: it is unknown.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if 0 in head[:2]:
        return "utf-16-be" if head[0] == 0 else "utf-16-le"
    declared = _DECLARED.match(head)
    if charset is None and declared is not None:
        name = _known(declared[1].decode())
        return "utf-8" if _WIDE.match(name) else name
    return _known(charset or "utf-8")


def _known(charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        name = ""
    if not _READABLE.fullmatch(name):
        raise XpmMalformed("its character set is unknown")
    return name
