"""Who is to be told how a job goes: the member ``subscriber`` of an execute document."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from core.declare.checks import source_refusal
from core.declare.document import pointer
from core.declare.values import SourcePolicy
from core.errors import MissingInput, Problem, SourceRefused, UnknownMember, WrongType

SUBSCRIPTIONS = ("successUri", "inProgressUri", "failedUri")
_LONGEST = 2000


def subscriber_problems(value: Any, policy: SourcePolicy) -> Iterator[Problem]:
    """Why nobody can be told there, as far as the text of the addresses tells."""
    if not isinstance(value, dict):
        allowed = f"an object with {', '.join(SUBSCRIPTIONS)}"
        message = f"/subscriber has to be {allowed}."
        yield Problem(WrongType.code, "/subscriber", None, allowed, message)
        return
    if "successUri" not in value:
        where = "/subscriber/successUri"
        message = f"{where} is missing: the address to which the results are sent."
        yield Problem(MissingInput.code, where, None, "an address", message)
    for name, uri in value.items():
        where = pointer(("subscriber", name))
        if name not in SUBSCRIPTIONS:
            allowed = f"one of {', '.join(SUBSCRIPTIONS)}"
            message = f"{where}: there is no member of this name."
            yield Problem(UnknownMember.code, where, None, allowed, message)
        elif not isinstance(uri, str) or len(uri) > _LONGEST:
            allowed = f"an address of at most {_LONGEST} characters"
            yield Problem(WrongType.code, where, None, allowed, f"{where} has to be {allowed}.")
        elif reason := _refusal(uri, policy):
            # The address is not repeated, it may hold a password.
            message = f"{where} cannot be called: {reason}"
            yield Problem(SourceRefused.code, where, None, "an https address", message)


def _refusal(uri: str, policy: SourcePolicy) -> str:
    web = policy.model_copy(update={"schemes": ("https", "http")})
    if reason := source_refusal(uri, web):
        return reason
    parts = urlsplit(uri)
    if parts.scheme == "http" and not _may_be_listed(parts.hostname or "", policy):
        return "http without TLS is for listed networks only; use https."
    return ""


def _may_be_listed(host: str, policy: SourcePolicy) -> bool:
    """Whether a host lies in a network of the policy, or is a name, judged when it is called."""
    networks = [ip_network(network) for network in policy.networks]
    try:
        address = ip_address(host)
    except ValueError:
        return bool(networks)
    return any(address in one for one in networks if one.version == address.version)
