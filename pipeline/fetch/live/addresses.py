"""Which network addresses a request may reach: those of the public internet, and nothing else.

The table is our own. Python's `ipaddress.is_global` calls NAT64, 6to4 and multicast addresses global, all of which may
lead back into the network that the fetcher runs in. Sources: IANA's special-purpose registries for IPv4 and IPv6 (RFC
6890 and its successors), RFC 6052 and 8215 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo), and the clouds' own manuals
for the addresses at which they serve metadata.
"""

import functools
import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_TABLE = (
    ("0.0.0.0/8", "this host"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("168.63.129.16/32", "cloud metadata"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    # Of IPv6 only what is handed out as global unicast may be reached; the rest of the list is inside it.
    ("::/3", "not global unicast"),
    ("4000::/2", "not global unicast"),
    ("8000::/1", "not global unicast"),
    ("2001::/23", "protocol assignments, Teredo among them"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("2620:4f:8000::/48", "AS112"),
    ("3fff::/20", "documentation"),
)

_WELL_KNOWN_WEB_PORTS = frozenset({80, 443})
_FIRST_UNPRIVILEGED_PORT = 1024
_PORTS_OF_OTHER_SERVICES = frozenset(
    {
        *(1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 5060, 5061),
        *(5432, 5672, 5900, 5984, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042, 9092, 9200),
        *(9300, 10080, 10250, 11211, 27017),
    }
)
"""The fetch standard's bad ports above 1023 (https://fetch.spec.whatwg.org/#port-blocking), and databases, queues and
cluster managers, which should not be asked for pages."""


class ForbiddenAddressError(OSError):
    """A connection to an address that no request may reach. An OSError, so that HTTP clients hand it on as one."""


def literal(host: str) -> Address | None:
    """The address that a host is, in the one spelling that the WHATWG parser gives it; None for a name."""
    try:
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def networks(ranges: Iterable[str]) -> tuple[Network, ...]:
    """Ranges such as `10.1.0.0/16` or `::1`. Raises ValueError for one that is none, or has bits behind its prefix."""
    return tuple(ipaddress.ip_network(each) for each in ranges)


def forbidden(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """What kind of address it is that must not be reached, or None when it may be.

    allowed: ranges that are exempt. An IPv6 address that carries an IPv4 address inside is only exempt as itself.
    """
    if any(address.version == network.version and address in network for network in allowed):
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "scoped"
    return next((kind for network, kind in _forbidden_networks(address.version) if address in network), None)


@functools.cache
def _forbidden_networks(version: int) -> tuple[tuple[Network, str], ...]:
    table = ((ipaddress.ip_network(text), kind) for text, kind in _TABLE)
    return tuple((network, kind) for network, kind in table if network.version == version)


def require_reachable(text: str, allowed: Sequence[Network] = ()) -> None:
    """Raise ForbiddenAddressError for an address, as sockets spell it, that no request may reach."""
    address = literal(text)
    kind = "no address" if address is None else forbidden(address, allowed)
    if kind is not None:
        raise ForbiddenAddressError(f"{text} is {kind}")


def forbidden_port(port: int) -> bool:
    """Whether no page is to be expected at a port: below 1024 all but 80 and 443, above it those of other services."""
    if port < _FIRST_UNPRIVILEGED_PORT:
        return port not in _WELL_KNOWN_WEB_PORTS
    return port in _PORTS_OF_OTHER_SERVICES
