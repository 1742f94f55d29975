"""Style sheets and scripts. Their addresses name a digest of all of them, so that browsers may keep what they have for ever.

One digest for the whole folder: a module may then import its neighbour by a relative address.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals

FOLDER = Path(__file__).parents[1] / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES:
            yield path.name, path.read_bytes()


#: Read once, at start: what is served is what the digest is of.
FILES = dict(_read(FOLDER))
DIGEST = hashlib.sha256(b"".join(name.encode() + body for name, body in FILES.items())).hexdigest()[:16]


def address(name: str) -> str:
    """Where a file is served.

    Raises:
        KeyError: there is none of this name, which is a slip in a template.
    """
    FILES[name]
    return f"/static/{DIGEST}/{name}"


@router.get("/static/{digest}/{name}")
def read_file(digest: str, name: str) -> Response:
    """A file of this version. One of another version is not here, and must not be kept under its name."""
    if digest != DIGEST or name not in FILES:
        raise refusals.UNKNOWN_FILE()
    return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=HEADERS)
