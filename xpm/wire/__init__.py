"""XPM's wire format: XML and JSON bodies to typed records, and error answers to exceptions.

`transport` carries the bytes, `characters` makes them UTF-8 that can be parsed, `xml_events` or `json_events` parses
them, `envelope` keeps what the contract names, `fields` makes records of that with `values`, and `decode` combines these
steps. `answers` reads error answers.
"""

from xpm.wire.answers import raise_for_answer
from xpm.wire.decode import decode_client, decode_clients
from xpm.wire.fields import Reading

__all__ = ["Reading", "decode_client", "decode_clients", "raise_for_answer"]
