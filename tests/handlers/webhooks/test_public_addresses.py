"""Where webhooks may go: to no address of IANA's special-purpose registries, whatever this version of Python says of it.

`iana_special_purpose.csv` lists the blocks of both registries as they stood in November 2026, with the smaller ones that
the product's own list covers by a larger one.
"""

from __future__ import annotations

import csv
import ipaddress
from pathlib import Path

import pytest

from handlers.webhooks.post import NotPublic, Reach
from handlers.webhooks.public_addresses import is_public

REGISTRY = Path(__file__).with_name("iana_special_purpose.csv")
BLOCKS = [row["block"] for row in csv.DictReader(REGISTRY.read_text().splitlines())]


@pytest.mark.parametrize("block", BLOCKS)
def test_no_address_of_the_registries_is_public(block: str) -> None:
    network = ipaddress.ip_network(block)
    for address in {network[0], network[network.num_addresses // 2], network[-1]}:
        assert not is_public(address), address


@pytest.mark.parametrize(
    "address",
    [
        *("64:ff9b::a00:1", "64:ff9b::808:808", "::10.0.0.1", "::8.8.8.8", "fec0::1", "192.0.0.192", "168.63.129.16"),
        *("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1", "255.255.255.255", "::ffff:10.0.0.1"),
        *("2002:a00:1::1", "2001:0:a00:1::1", "fd00:ec2::254", "169.254.169.254", "100.100.100.200", "4000::1"),
    ],
)
def test_what_is_no_public_address(address: str) -> None:
    with pytest.raises(NotPublic):
        Reach().addresses(address, 443)
    assert Reach(private=True).addresses(address, 443)


@pytest.mark.parametrize("address", ["1.1.1.1", "203.0.112.255", "168.63.129.17", "2606:4700::1111", "2001:200::1"])
def test_public_addresses_are_connected_to(address: str) -> None:
    assert Reach().addresses(address, 443) == [address]


def test_an_ipv4_address_written_as_ipv6_is_what_it_is() -> None:
    assert Reach().allows(ipaddress.ip_address("::ffff:1.1.1.1"))
    assert Reach(loopback=True).allows(ipaddress.ip_address("::ffff:127.0.0.1"))
    assert not Reach().allows(ipaddress.ip_address("::ffff:127.0.0.1"))


def test_loopback_is_only_for_a_portal_on_this_machine() -> None:
    assert Reach(loopback=True).addresses("127.0.0.1", 80) == ["127.0.0.1"]
    with pytest.raises(NotPublic):
        Reach(loopback=True).addresses("10.0.0.1", 80)
