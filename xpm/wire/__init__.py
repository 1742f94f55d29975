"""XPM's wire format: XML and JSON bodies to typed records, and error answers to exceptions.

`transport` carries the bytes, `xml_events` or `json_events` parses them, `envelope` keeps what the contract names,
`fields` makes records of that, and `decode` combines these steps. `answers` reads error answers.
"""

from xpm.wire.answers import raise_for_answer
from xpm.wire.decode import ClientStream, decode_client, decode_clients

__all__ = ["ClientStream", "decode_client", "decode_clients", "raise_for_answer"]
