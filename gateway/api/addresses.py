"""The address that a request comes from. Pure.

A proxy's header counts only where the configuration trusts the proxy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SITE_BITS = 64
_MAPPED_BITS = 96
"""How many bits of an IPv6 address say that it stands for an IPv4 one (`::ffff:0:0/96`)."""


@lru_cache(maxsize=256)
def parse_address(text: str) -> Address | None:
    """An IPv4-mapped IPv6 address counts as IPv4; a zone, brackets and a port are left out. None: not an address."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def network_of(text: str) -> str:
    """What wrong attempts are counted by: an IPv4 address, or the /64 from which one IPv6 subscriber can choose addresses."""
    address = parse_address(text)
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return str(ip_network((int(address), _SITE_BITS), strict=False))
    return text if address is None else str(address)


def _bare(network: Network) -> Network:
    """The network as peers are compared with it, see `parse_address`."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((int(mapped), network.prefixlen - _MAPPED_BITS))


@dataclass(frozen=True, slots=True)
class Networks:
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Raises ValueError for what is neither an address nor a network. One of IPv4-mapped addresses is one of IPv4, too."""
        return cls(tuple(_bare(ip_network(text)) for text in texts))

    def __contains__(self, peer: str) -> bool:
        address = parse_address(peer)
        return address is not None and any(address in network for network in self.networks)


class Proxies(Networks):
    """The proxies whose forwarding headers are believed."""

    __slots__ = ()

    def trusts(self, peer: str) -> bool:
        return peer in self

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The address that the request came from: the last one in `X-Forwarded-For` that is not a trusted proxy's."""
        if not self.trusts(peer):
            return peer
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        for hop in reversed(hops):
            address = parse_address(hop)
            if address is None:
                return peer
            if not self.trusts(str(address)):
                return str(address)
        return peer

    def counts_by_total_only(self, peer: str) -> bool:
        """Whether many clients are likely to share the address."""
        address = parse_address(peer)
        return address is None or address.is_loopback or self.trusts(peer)
