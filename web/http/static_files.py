"""Style sheets, scripts and icons. Their URLs contain a digest of the whole folder, so browsers may cache them for ever.

With one digest for the folder, a script may import another by a relative URL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals

FOLDER = Path(__file__).parents[1] / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml; charset=utf-8"}
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}

router = APIRouter(include_in_schema=False)


def _read(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES:
            yield path.name, path.read_bytes()


#: Read once, at start, so that the digest always fits what is served.
FILES = dict(_read(FOLDER))
DIGEST = hashlib.sha256(b"".join(name.encode() + body for name, body in FILES.items())).hexdigest()[:16]


def address(name: str) -> str:
    """The URL of a file.

    Raises:
        KeyError: there is no such file, which is a mistake in a template.
    """
    FILES[name]
    return f"/static/{DIGEST}/{name}"


@router.get("/static/{digest}/{name}")
def read_file(digest: str, name: str) -> Response:
    """A file of this version. A file of another version is not served, and must not be cached under its URL."""
    if digest != DIGEST or name not in FILES:
        raise refusals.UNKNOWN_FILE()
    return Response(FILES[name], media_type=TYPES[Path(name).suffix], headers=HEADERS)
