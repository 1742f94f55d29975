"""JSON bodies as envelope events, piece by piece; the root object stands for XML's `Response` element."""

from __future__ import annotations

import ijson  # type: ignore[import-untyped]  # it ships no types

from xpm.wire.envelope import ITEM, Envelope

# yajl reports an integer of thousands of digits as a SystemError, because Python refuses to convert it.
JSON_ERRORS = (ijson.JSONError, ValueError, SystemError)
"""What `feed` and `close` raise on broken JSON."""

_WORDS = {True: "true", False: "false", None: ""}


class JsonEvents:
    """Feeds an envelope from JSON, which is UTF-8 by its standard (RFC 8259)."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._pending = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._pending)
        self._arrays: list[bool] = []
        self.events = 0

    def feed(self, data: bytes) -> None:
        """Read one piece."""
        self._parser.send(data)
        self._pass_on()

    def close(self) -> None:
        """End the document. Raises if it is incomplete."""
        self._parser.close()
        self._pass_on()

    def _pass_on(self) -> None:
        """Pass on the events of one piece: millions for a practice, so this is one loop without calls of its own."""
        envelope, arrays = self._envelope, self._arrays
        self.events += len(self._pending)
        for event, value in self._pending:
            if event == "map_key":
                envelope.start(value.lower())
            elif event in ("end_map", "end_array"):
                arrays.pop()
                envelope.end()
            else:
                if not arrays:
                    envelope.start("response" if event == "start_map" else ITEM)
                elif arrays[-1]:
                    envelope.start(ITEM)
                if event == "string":  # most are
                    envelope.text(value)
                    envelope.end()
                elif event in ("start_map", "start_array"):
                    arrays.append(event == "start_array")
                else:
                    envelope.text(_WORDS[value] if event in ("boolean", "null") else str(value))
                    envelope.end()
        self._pending.clear()
