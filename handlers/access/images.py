"""What an uploaded picture is: decided by its bytes, never by its name or by what the browser says it is."""

from __future__ import annotations

from dataclasses import dataclass

PNG, JPEG = "image/png", "image/jpeg"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
#: Segments of a JPEG that say its size: SOF0 to SOF15, without DHT, JPG and DAC.
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class Picture:
    """A picture's media type and size in pixels."""

    media_type: str
    width: int
    height: int


def recognise(content: bytes) -> Picture | None:
    """The PNG or JPEG that this is from the first to the last byte; `None` for anything else."""
    if content.startswith(_PNG_START) and content.endswith(_PNG_END) and content[12:16] == b"IHDR":
        return Picture(PNG, int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big"))
    if content.startswith(_JPEG_START) and content.endswith(_JPEG_END):
        return _jpeg(content)
    return None


def _jpeg(content: bytes) -> Picture | None:
    """Walks the segments, each of which says how long it is, to the one with the size."""
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in _SIZES:
            height, width = (int.from_bytes(content[at + place : at + place + 2], "big") for place in (5, 7))
            return Picture(JPEG, width, height)
        if length < 2:
            return None
        at += 2 + length
    return None
