"""The envelope around XPM's clients, read as a stream of events that XML and JSON share.

Names arrive in lower case, because the formats differ in case only. One client at a time is held, with only the fields
that the contract names; everything else is dropped as it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping

from xpm.contract import CLIENT_FIELDS, Fields
from xpm.errors import XpmForeign, XpmMalformed

ITEM = "[]"
"""The name that a JSON array's nameless items are given."""

MAX_DEPTH = 64
"""How deep a body may nest; XPM's bodies nest seven deep. A client that nests deeper cannot be read."""
DEEPEST = 10_000
"""How deep a client may nest that is skipped for that: the parser holds every level."""
MAX_TEXT = 65_536
"""The longest text kept, in characters. A longer one is unreadable and not cut: a cut name would look like a real one."""
MAX_VALUES = 100_000
"""The most fields kept of one client; a client with thousands of relationships has far fewer. One with more cannot be
read."""

_READ = frozenset({("status",), ("errordescription",), ("title",), ("detail",)})
_XPMS = frozenset({"status", "errordescription", "clients", "client"})
"""What only XPM's envelope holds. A body that never names one of these is somebody else's."""


class Element:
    """A named value: a text, or children. `problem` says why it cannot be read."""

    __slots__ = ("children", "name", "parts", "problem", "size")

    def __init__(self, name: str) -> None:
        self.name = name
        self.children: list[Element] = []
        self.parts: list[str] = []
        self.problem: str | None = None
        self.size = 0

    def add_text(self, text: str) -> None:
        """Add a piece of this element's text. White space between children is not text."""
        if self.children:
            return
        self.size += len(text)
        if self.size <= MAX_TEXT:
            self.parts.append(text)
        else:
            self.problem = f"is longer than {MAX_TEXT} characters"
            self.parts.clear()

    def is_empty(self) -> bool:
        """Whether it holds nothing: no children, no text that can be seen, nothing that was too much or is unknown."""
        if self.children or self.problem is not None:
            return False
        return not any(character.isprintable() and character != " " for part in self.parts for character in part)

    def by_name(self) -> dict[str, Element]:
        """The children by their names; of those of one name, the first."""
        return {child.name: child for child in reversed(self.children)}


def _lower(fields: Fields) -> dict[str, Fields]:
    return {name.lower(): _lower(inner) for name, inner in fields.items()}


_KEPT: Mapping[str, Fields] = _lower(CLIENT_FIELDS)
#: What the rows of a list are called. Their fields are those that the list names.
_ROWS: Mapping[str, tuple[str, ...]] = {
    "groups": (ITEM, "group"),
    "relationships": (ITEM, "relationship"),
    "client": (ITEM,),
}


class Envelope:
    """Reads the `start`, `text` and `end` events of one body. Finished clients wait in `clients` until they are read."""

    def __init__(self) -> None:
        self.clients: list[Element] = []
        self.complete = False
        self.recognised = False
        self._depth = 0
        self._skipped = 0
        self._path: list[str] = []
        self._record: list[tuple[Element, Mapping[str, Fields]]] = []
        self._values = 0
        self._texts: dict[tuple[str, ...], Element] = {}

    @property
    def is_in_client(self) -> bool:
        """Whether a client has begun and not ended yet."""
        return bool(self._record)

    def value(self, *path: str) -> str | None:
        """The text at `path` below the root, stripped; `None` where it is missing or empty."""
        element = self._texts.get(path)
        return ("".join(element.parts).strip() or None) if element else None

    def start(self, name: str) -> None:
        """An element, or a JSON value with its key, begins."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._note_depth()
        if self._depth == 1:
            if name != "response":
                raise XpmMalformed("the body is not an XPM response")
        elif self._skipped:
            self._skipped += 1
        elif self._record:
            self._start_field(name)
        else:
            self._start_outside(name)

    def _note_depth(self) -> None:
        if not self._record or self._depth > DEEPEST:
            raise XpmMalformed("the body nests too deeply")
        self._record[0][0].problem = "nests too deeply"

    def _start_outside(self, name: str) -> None:
        """An element begins outside of any client."""
        self.recognised = self.recognised or (self._depth == 2 and name in _XPMS)
        if self._path == ["clients"] and name not in ("client", ITEM):
            # A list of one that was collapsed: the client's fields stand where the list should be.
            self._path.pop()
            self._start_client("clients")
            self._start_field(name)
        elif (name == "client" and not self._path) or self._path == ["clients"]:
            self._start_client(name)
        else:
            self._path.append(name)

    def text(self, text: str) -> None:
        """A piece of the open element's text."""
        if self._skipped:
            return
        if self._record:
            self._record[-1][0].add_text(text)
        elif (path := tuple(self._path)) in _READ:
            self._texts.setdefault(path, Element(path[-1])).add_text(text)
        elif path == ("clients",) and text.strip():
            raise XpmForeign("it holds a text instead of a list of clients")  # Not an empty list: all would be gone.

    def end(self) -> None:
        """The element that began last ends."""
        self._depth -= 1
        if self._depth == 0:
            self.complete = True
        elif self._skipped:
            self._skipped -= 1
        elif self._record:
            element, _ = self._record.pop()
            if not self._record and (
                self._path or not element.is_empty()
            ):  # An empty `client` on its own is no client.
                self.clients.append(element)
        elif self._path:
            self._path.pop()

    def _start_client(self, name: str) -> None:
        self._values = 0
        self._record.append((Element(name), _KEPT))

    def _start_field(self, name: str) -> None:
        parent, kept = self._record[-1]
        inner = kept.get(name)
        if inner is None and name in _ROWS.get(parent.name, ()):
            inner = kept
        if inner is None:
            self._skipped = 1
            if kept is not _KEPT:
                parent.problem = "holds what is not in the contract"
            return
        self._values += 1
        if self._values > MAX_VALUES:
            self._record[0][0].problem = f"has more than {MAX_VALUES} fields"
            self._skipped = 1
            return
        child = Element(name)
        parent.children.append(child)
        self._record.append((child, inner))
