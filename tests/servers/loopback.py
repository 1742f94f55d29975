"""Clients of servers on this machine."""

from __future__ import annotations

import ssl

#: Calls stay on loopback: the authorities that httpx trusts would be read for each client, which takes 40 ms.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
