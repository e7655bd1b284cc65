"""How many charge points there is room for, in all and from one address."""

import ipaddress
from collections import Counter
from dataclasses import dataclass

MAX_CONNECTIONS = 18_000
"""Of a node, where no more is said: a process may have 20,000 files open."""

MAX_PER_ADDRESS = 5_000
"""Likewise from one address, behind which there may be a site with all its charge points."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Room:
    """How many charge points a node takes.

    Attributes:
        connections: In all, those that are not let in yet included.
        per_address: From one address. Of this machine's own there may be any number: it is a
            proxy's, or a test's.
        proxies: Networks whose `X-Forwarded-For` is believed.
    """

    connections: int = MAX_CONNECTIONS
    per_address: int = MAX_PER_ADDRESS
    proxies: tuple[Network, ...] = ()


class Places:
    """The places of a node: each connection takes one from when it is accepted until it is gone."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0
        self._by_address: Counter[str] = Counter()

    def take(self, address: str) -> None:
        """Somebody from this address has come."""
        self._taken += 1
        self._by_address[address] += 1

    def give_back(self, address: str) -> None:
        """Somebody from this address has gone."""
        self._taken -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def lack(self, address: str) -> str:
        """Why one who has taken a place already cannot stay, in a sentence; empty if he can."""
        if self._taken > self._room.connections:
            return "this gateway has no room"
        if self._by_address[address] > self._room.per_address and not _is_own(address):
            return "too many connections from this address"
        return ""

    def forwarded(self, address: str, said: str | None) -> str | None:
        """From where a charge point comes by a proxy of ours; None if that does not say.

        Args:
            said: The header `X-Forwarded-For`.
        """
        # The last one is what the proxy has seen; what stands before it came from the peer.
        told = _address((said or "").rpartition(",")[2])
        proxy = _address(address)
        if told is None or proxy is None or not any(proxy in net for net in self._room.proxies):
            return None
        return str(told)


def _is_own(address: str) -> bool:
    found = _address(address)
    return found is not None and found.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
