import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import urls
from pipeline.fetch.live.addresses import (
    ForbiddenAddressError,
    forbidden,
    forbidden_port,
    literal,
    networks,
    require_reachable,
)

LOOPBACK = networks(["127.0.0.0/8"])


def address_of(url: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address | None":
    normal = urls.normalise(url)
    return None if normal is None else literal(urls.host(normal))


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://0.0.0.0/",
        "http://%31%32%37.0.0.1/",
        "http://１２７.０.０.１/",  # full-width digits
        "http://①②⑦.⓪.⓪.①/",
        "http://user:password@127.0.0.1/",
        "http://example.org@127.0.0.1/",
        "http:127.0.0.1/",
        "http:\\\\127.0.0.1\\",
        "http://127.0.0.1:80/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
        "http://[2001:db8::1]/",
        "http://[100::1]/",
        "http://[5f00::1]/",
    ],
)
def test_every_spelling_of_a_private_address_is_seen(url: str) -> None:
    address = address_of(url)
    assert address is not None
    assert forbidden(address)


@pytest.mark.parametrize(
    "address",
    [
        *("0.1.2.3", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.255.255.254"),
        *("168.63.129.16", "169.254.0.1", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
        *("192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255"),
        *("240.0.0.1", "255.255.255.255", "::7f00:1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:20::1", "3fff::1"),
    ],
)
def test_the_edges_of_the_table(address: str) -> None:
    assert forbidden(ipaddress.ip_address(address))
    with pytest.raises(ForbiddenAddressError):
        require_reachable(address)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
        *("169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255"),
        *("168.63.129.15", "2606:4700:4700::1111", "2a00:1450:4001::200e", "2001:4860:4860::8888", "2003::1"),
    ],
)
def test_the_public_internet_may_be_reached(address: str) -> None:
    assert forbidden(ipaddress.ip_address(address)) is None
    require_reachable(address)


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_slips_through(
    address: "ipaddress.IPv4Address | ipaddress.IPv6Address",
) -> None:
    if not address.is_global or address.is_multicast:
        assert forbidden(address)


def test_allowed_ranges_are_exempt_and_nothing_else_is() -> None:
    require_reachable("127.3.2.1", LOOPBACK)
    for address in ("10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "::127.0.0.1"):
        with pytest.raises(ForbiddenAddressError):
            require_reachable(address, LOOPBACK)
    require_reachable("::1", networks(["::1"]))


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fe80::1%1", "localhost", "", "127.0.0.1\n", "0x7f.1", "2130706433"])
def test_what_is_no_plain_address_is_never_reached(text: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        require_reachable(text)
    with pytest.raises(ForbiddenAddressError):
        require_reachable("2606:4700::1%eth0")


@pytest.mark.parametrize("ranges", [["127.0.0.1/8"], ["loopback"], ["300.0.0.0/8"], [""]])
def test_a_range_that_is_none_is_refused(ranges: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        networks(ranges)


def test_a_name_is_no_address() -> None:
    for host in ("example.org", "localhost", "1.2.3.4.example", "0x7f.1.example"):
        assert literal(host) is None


@pytest.mark.parametrize("port", [80, 443, 8080, 8000, 8443, 43_210])
def test_ports_at_which_pages_are(port: int) -> None:
    assert not forbidden_port(port)


@pytest.mark.parametrize("port", [0, 22, 25, 53, 81, 6379, 6667, 11211])
def test_ports_at_which_other_services_are(port: int) -> None:
    assert forbidden_port(port)
