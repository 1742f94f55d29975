"""Which IP addresses are public: those that are neither special nor, in IPv6, outside what is given out.

The special ones are data, `special_purpose.csv`: the blocks of IANA's registries of special-purpose addresses, reachable or
not, and what else no receiver of ours may be at. Python's `is_global` is not used, since what it answers differs between
versions and leaves out addresses that lead to somebody's inside.
"""

from __future__ import annotations

import csv
import ipaddress
from functools import cache
from importlib.resources import files

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: All that IANA has given out of IPv6. Outside are addresses that hold an IPv4 one (`64:ff9b::/96`, `::/96`), site-local
#: and unique local ones, and multicast.
_GIVEN_OUT = ipaddress.IPv6Network("2000::/3")


def is_public(address: Address) -> bool:
    """Whether an address can be on the internet; one that IPv6 writes for an IPv4 address is that address."""
    address = unmapped(address)
    if isinstance(address, ipaddress.IPv6Address) and address not in _GIVEN_OUT:
        return False
    return not any(address in block for block in _special())


def unmapped(address: Address) -> Address:
    """The IPv4 address that `::ffff:0:0/96` writes in IPv6; any other as it is."""
    return getattr(address, "ipv4_mapped", None) or address


@cache
def _special() -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    text = files(__package__).joinpath("special_purpose.csv").read_text("utf-8")
    return tuple(ipaddress.ip_network(row["block"]) for row in csv.DictReader(text.splitlines()))
