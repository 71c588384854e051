"""Who the client of a request is, where it came through proxies of the operator's."""

import ipaddress
from collections.abc import Sequence

from flask import Request


def client_of(incoming: Request, proxies: Sequence[str]) -> str:
    """The address of the client, for logs.

    ``X-Forwarded-For`` grows at its end, and only what a listed proxy wrote there counts: whoever
    else sends the header can write anything.

    Parameters
    ----------
    proxies
        Networks of the proxies, in CIDR notation.
    """
    told = ",".join(incoming.headers.getlist("X-Forwarded-For")).split(",")
    client = incoming.remote_addr or ""
    while told and _is_among(client, proxies):
        before = _address(told.pop())
        if before is None:
            break
        client = str(before)
    return client


def _is_among(client: str, proxies: Sequence[str]) -> bool:
    address = _address(client)
    return address is not None and any(
        address in ipaddress.ip_network(network, strict=False) for network in proxies
    )


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None
