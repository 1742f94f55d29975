"""How XPM's answers look on the wire: XML and JSON bodies to typed records, and error answers to exceptions.

The way of the bytes: `transport` carries them, `xml_events` or `json_events` reads them, `envelope` keeps what the
contract names, `fields` makes records of it, and `decode` joins these. `answers` reads error answers.
"""

from xpm.wire.answers import raise_for_answer
from xpm.wire.decode import ClientStream, decode_client, decode_clients

__all__ = ["ClientStream", "decode_client", "decode_clients", "raise_for_answer"]
