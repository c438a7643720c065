"""How often somebody may be wrong: so often a minute from one address, and so often from all together."""

import time
from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

WINDOW_SECONDS = 60.0
PER_CLIENT = 5
IN_ALL = 600  # so that a dozen hosts cannot keep everybody out


class Attempts:
    """Failures in the last minute. At 600 a minute, 60 bits are found in 3.6 thousand million years."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clients: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def wait_seconds(self, client: str) -> float:
        """How long until this address may try again; 0 when it may now."""
        now = self._clock()
        self._forget(now)
        own = self._clients.get(who(client), deque())
        until = [
            failures[0] + WINDOW_SECONDS for failures, most in self._limits(own) if len(failures) >= most
        ]
        return max(0.0, max(until, default=now) - now)

    def failed(self, client: str) -> None:
        """Count a failure."""
        now = self._clock()
        self._forget(now)
        self._all.append(now)
        self._clients.setdefault(who(client), deque()).append(now)

    def _limits(self, own: "deque[float]") -> "tuple[tuple[deque[float], int], ...]":
        return (own, PER_CLIENT), (self._all, IN_ALL)

    def _forget(self, now: float) -> None:
        old = now - WINDOW_SECONDS
        while self._all and self._all[0] <= old:
            self._all.popleft()
        for name, failures in list(self._clients.items()):
            while failures and failures[0] <= old:
                failures.popleft()
            if not failures:
                del self._clients[name]


def who(client: str) -> str:
    """Whom an address stands for: of IPv6, the network that one host may have all addresses of."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_link_local:
            return str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return str(address)
