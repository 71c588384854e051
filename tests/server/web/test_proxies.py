"""Headers of proxies: who may say whose request it is, and that links do not come from them."""

import json

import pytest
from flask import Request
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from server.proxies import client_of
from server.settings import PACKAGED, read_settings

PROXIES = ("10.0.0.0/8", "192.0.2.7", "fd00::/8")


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("203.0.113.5", "198.51.100.1", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 192.0.2.7", "198.51.100.1"),
        ("10.0.0.1", "10.1.1.1", "10.1.1.1"),
        ("10.0.0.1", "198.51.100.1, nonsense\n", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("fd00::1", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_what_a_listed_proxy_wrote_counts(peer: str, told: str, client: str) -> None:
    environ = EnvironBuilder().get_environ() | {
        "REMOTE_ADDR": peer,
        "HTTP_X_FORWARDED_FOR": told,
    }
    assert client_of(Request(environ), PROXIES) == client
    assert client_of(Request(environ), ()) == peer


def test_a_proxy_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="trusted_proxies"):
        read_settings(PACKAGED, {}, trusted_proxies="my-proxy")


def test_links_do_not_come_from_headers_of_proxies(client: FlaskClient) -> None:
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "444",
        "X-Forwarded-For": "6.6.6.6",
        "Forwarded": "host=evil.example;proto=https",
    }
    for path in ("/", "/processes", "/processes/echo", "/jobs", "/openapi", "/uploads"):
        plain, forwarded = client.get(path), client.get(path, headers=headers)
        assert forwarded.get_data() == plain.get_data(), path
        assert "evil" not in json.dumps(dict(forwarded.headers))
