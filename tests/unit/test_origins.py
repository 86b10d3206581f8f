"""What headers and settings say of hosts and origins."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everruns.origins import (
    host_pattern,
    is_host_allowed,
    is_wildcard,
    origin_pattern,
    parse_host,
    parse_origin,
)

labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
names = st.lists(labels, min_size=1, max_size=4).map(lambda parts: ".".join([*parts, "test"]))
ports = st.none() | st.integers(1, 65535)


def with_port(host: str, port: int | None) -> str:
    return host if port is None else f"{host}:{port}"


@given(names, ports)
def test_a_host_is_the_same_in_every_spelling(name: str, port: int | None):
    spellings = [name, name.upper(), f"{name}.", f"{name.title()}."]

    read = {parse_host(with_port(spelling, port)) for spelling in spellings}

    assert len(read) == 1
    assert (read.pop().name, parse_host(with_port(name, port)).port) == (name, port)


@given(st.ip_addresses(), ports)
def test_an_address_is_read_with_or_without_a_port(address, port: int | None):
    text = f"[{address}]" if address.version == 6 else str(address)

    host = parse_host(with_port(text, port))

    assert (host.name, host.port, host.is_address) == (str(address), port, True)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_comes_is_read_or_refused(text: str):
    for parse in (parse_host, parse_origin, host_pattern, origin_pattern):
        try:
            parse(text)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "LocalHost.:9300",
        "app.localhost",
        "127.0.0.1:9300",
        "127.8.8.8",
        "[::1]:9300",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
    ],
)
def test_loopback_has_many_names(text: str):
    assert parse_host(text).is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "localhost.evil.example",
        "evillocalhost",
        "127.0.0.1.evil.example",
        "128.0.0.1",
        "0.0.0.0",
        "[::]",
        "[::ffff:10.0.0.1]",
    ],
)
def test_what_only_looks_like_loopback_is_not(text: str):
    assert not parse_host(text).is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":9300",
        ".",
        "a..b",
        "user@localhost",
        "localhost/path",
        "localhost:port",
        "localhost:123456",
        "localhost:0",
        "localhost:70000",
        "localhost, evil.example",
        "localhost evil.example",
        "local%68ost",
        "bücher.example",
        "::1",
        "[::1",
        "[localhost]",
        "[fe80::1%25eth0]",
        "x" * 254,
    ],
)
def test_what_is_no_host_is_refused(text: str):
    with pytest.raises(ValueError, match=r"is not a host|Expected|Only|expected"):
        parse_host(text)


@given(names, ports, st.sampled_from(["http", "https"]))
def test_a_server_has_the_origin_that_its_host_names(name: str, port: int | None, scheme: str):
    origin = parse_origin(f"{scheme}://{with_port(name, port)}")

    assert origin.is_at(parse_host(with_port(name, port)))
    assert not origin.is_at(parse_host(with_port(f"x{name}", port)))
    assert not origin.is_at(parse_host(with_port(name, (port or 8080) % 65535 + 1)))


def test_the_port_of_a_scheme_may_be_named_or_not():
    assert parse_origin("http://box:80") == parse_origin("http://box")
    assert parse_origin("https://box").is_at(parse_host("box:443"))
    assert not parse_origin("https://box").is_at(parse_host("box:80"))


@pytest.mark.parametrize("scheme", ["ftp", "chrome-extension", "file"])
def test_only_pages_of_the_web_are_a_servers_own(scheme: str):
    assert not parse_origin(f"{scheme}://localhost:9300").is_at(parse_host("localhost:9300"))


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "",
        "*",
        "localhost",
        "http://",
        "http://a/b",
        "http://a/",
        "http://u@a",
        "//a",
        "a:b",
    ],
)
def test_what_is_no_origin_is_refused(text: str):
    with pytest.raises(ValueError, match="is not"):
        parse_origin(text)


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("box.lan", ["box.lan"], ["a.box.lan", "box.lan.evil.example", "xbox.lan"]),
        ("*.example.com", ["a.example.com", "a.b.example.com"], ["example.com", "aexample.com"]),
        ("fd00::1", ["fd00::1"], ["fd00::2"]),
        ("*", ["anything"], []),
    ],
)
def test_a_pattern_stands_for_hosts(pattern: str, allowed: list[str], refused: list[str]):
    patterns = (host_pattern(pattern),)

    assert [name for name in allowed + refused if is_host_allowed(name, patterns)] == allowed


def test_a_pattern_is_kept_as_headers_are_read():
    assert host_pattern("Box.LAN.") == "box.lan"
    assert host_pattern("[FD00:0::1]") == "fd00::1"
    assert host_pattern("*.Example.COM") == "*.example.com"


@pytest.mark.parametrize("text", ["box:9300", "http://box", "a*.example.com", "*.", "**", "box/"])
def test_a_pattern_that_is_none_says_what_would_be_right(text: str):
    with pytest.raises(ValueError, match=r"\*\.example\.com"):
        host_pattern(text)


def test_listening_everywhere_has_two_addresses():
    listening = ["0.0.0.0", "::", "[::]", "", "127.0.0.1", "box.lan"]

    assert list(map(is_wildcard, listening)) == [True, True, True, True, False, False]
