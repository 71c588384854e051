"""What JSON Schema cannot say of single values: dates, areas, odd numbers, references' policy."""

import re
from collections.abc import Iterator
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from posixpath import normpath
from typing import Any
from urllib.parse import unquote, urlsplit

from core.declare.document import Path, pointer, said
from core.declare.listing import Input
from core.declare.values import CRS84, SourcePolicy
from core.errors import OutOfRange, Problem, SourceRefused, TooLarge, WrongType, shortened

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_UPLOAD = re.compile(r"upload:[A-Za-z0-9_-]{1,64}")
_JOB = re.compile(r"job:[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_.-]{1,128}(/[A-Za-z0-9_.-]{1,128})?")
_UNSPOKEN = re.compile(r"[\x00-\x20\x7f]")

Place = tuple[Path, Any]
"""A value and its path in the request document."""


def value_problems(entry: Input, place: Place, policy: SourcePolicy) -> Iterator[Problem]:
    """Problems of one occurrence of an input.  The value may be of any type."""
    if entry.odd is not None:
        yield from _odd_problems(entry, place)
    if entry.kind == "date":
        yield from _date_problems(place)
    elif entry.kind == "area":
        yield from _area_problems(place)
    elif entry.kind == "source":
        yield from _source_problems(place, policy)
    elif entry.kind == "binary":
        yield from _media_type_problems(place, entry.schema["contentMediaType"])


def count_problems(entry: Input, count: int, policy: SourcePolicy) -> Iterator[Problem]:
    """Problems of how many sources an input has."""
    if entry.kind == "source" and count > policy.max_scenes:
        allowed = f"at most {policy.max_scenes} scenes"
        message = f"{entry.id} has {count} scenes; this server takes {allowed} in one job."
        yield Problem(TooLarge.code, pointer(("inputs", entry.id)), count, allowed, message)


def _odd_problems(entry: Input, place: Place) -> Iterator[Problem]:
    path, value = place
    if type(value) is not int or entry.odd is None or entry.odd.accepts(value):
        return
    low, high = entry.bounds.low, entry.bounds.high
    inside = [
        near
        for near in (value - 1, value + 1)
        if (low is None or near >= low) and (high is None or near <= high)
    ]
    nearest = " or ".join(str(near) for near in inside)
    message = f"{entry.id} is {value}, an even number; the nearest odd ones are {nearest}."
    if not inside:
        message = f"{entry.id} is {value}, an even number."
    yield Problem(OutOfRange.code, pointer(path), value, f"an odd number: {nearest}", message)


def _date_problems(place: Place) -> Iterator[Problem]:
    path, value = place
    if not isinstance(value, str):
        return
    try:
        if _DATE.fullmatch(value) and date.fromisoformat(value):
            return
    except ValueError:
        pass
    where = pointer(path)
    message = f"{where} is {said(value)}, which is no date written YYYY-MM-DD."
    yield Problem(WrongType.code, where, shortened(value), "a date written YYYY-MM-DD", message)


def _area_problems(place: Place) -> Iterator[Problem]:
    path, value = place
    if not isinstance(value, dict):
        return
    if "bbox" in value:
        yield from _box_problems(path, value)
    elif isinstance(value.get("coordinates"), list):
        for number, ring in enumerate(value["coordinates"]):
            yield from _ring_problems((*path, "coordinates", number), ring)


def _box_problems(path: Path, value: dict[str, Any]) -> Iterator[Problem]:
    box, crs = value["bbox"], value.get("crs", CRS84)
    where = pointer((*path, "bbox"))
    if crs == "http://www.opengis.net/def/crs/EPSG/0/4326":
        yield Problem(
            OutOfRange.code,
            pointer((*path, "crs")),
            crs,
            CRS84,
            "EPSG:4326 puts latitude first; give longitude before latitude in CRS84, the default.",
        )
    if not _are_numbers(box, 4):
        return
    west, south, east, north = box
    order = "west below east and south below north"
    if not (west < east and south < north):
        message = (
            f"{where} is {box}: it has to have {order}, in the order west, south, east, north."
        )
        yield Problem(OutOfRange.code, where, shortened(box), order, message)
    elif crs == CRS84 and not (_on_earth([west, south]) and _on_earth([east, north])):
        yield _off_earth(where, box)


def _ring_problems(path: Path, ring: Any) -> Iterator[Problem]:
    if not isinstance(ring, list) or not all(_are_numbers(position, 2) for position in ring):
        return
    for number, position in enumerate(ring):
        if not _on_earth(position):
            yield _off_earth(pointer((*path, number)), position)
    if len(ring) >= 4 and ring[0] != ring[-1]:
        where = pointer(path)
        allowed = "a ring whose last position equals its first"
        message = f"{where} is not closed: its last position differs from its first."
        yield Problem(OutOfRange.code, where, shortened(ring), allowed, message)


def _are_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    )


def _on_earth(position: list[float]) -> bool:
    longitude, latitude = position
    return -180 <= longitude <= 180 and -90 <= latitude <= 90


def _off_earth(where: str, value: Any) -> Problem:
    allowed = "longitudes from -180 to 180 and latitudes from -90 to 90"
    message = f"{where} is {value}, outside the Earth: {allowed}, longitude first."
    return Problem(OutOfRange.code, where, shortened(value), allowed, message)


def _source_problems(place: Place, policy: SourcePolicy) -> Iterator[Problem]:
    path, value = place
    if not isinstance(value, dict) or not isinstance(value.get("href"), str):
        return
    href = value["href"]
    why = source_refusal(href, policy)
    if why:
        where = pointer((*path, "href"))
        allowed = f"a reference by one of {', '.join(policy.schemes)}"
        yield Problem(SourceRefused.code, where, shown(href), allowed, f"{where}: {why}")


def _media_type_problems(place: Place, media_type: str) -> Iterator[Problem]:
    """Problems of a reference that says it is of another type than what it stands for."""
    path, value = place
    if not isinstance(value, dict):
        return
    nested = value.get("format")
    said_types: dict[Path, Any] = {("type",): value.get("type")}
    if isinstance(nested, dict):
        said_types["format", "mediaType"] = nested.get("mediaType")
    for tokens, found in said_types.items():
        if isinstance(found, str) and found.partition(";")[0].strip() != media_type:
            where = pointer((*path, *tokens))
            message = f"{where} is {said(found)}; it has to be {media_type}."
            yield Problem(OutOfRange.code, where, shortened(found), media_type, message)


def shown(href: str) -> str:
    """A reference fit for a message: without credentials and query."""
    bare = href.partition("?")[0].partition("#")[0]
    scheme, mark, rest = bare.partition("://")
    if mark and "@" in rest.partition("/")[0]:
        rest = rest[rest.index("@") + 1 :]
    return str(shortened(f"{scheme}{mark}{rest}"))


def source_refusal(href: str, policy: SourcePolicy) -> str:
    """Why a reference may not be opened, as far as its text tells; "" if it may."""
    if _UNSPOKEN.search(href):
        return "a reference holds no spaces and no control characters; write them as %20."
    scheme = href.partition(":")[0].lower() if ":" in href else ""
    if scheme not in policy.schemes:
        named = f"{scheme!r} is none of" if scheme else "it has none of"
        return f"{named} the schemes that this server reads: {', '.join(policy.schemes)}."
    if scheme in ("http", "https"):
        return _address_refusal(href, policy)
    if scheme == "file":
        return _file_refusal(href, policy)
    if scheme == "upload":
        return "" if _UPLOAD.fullmatch(href) else "an uploaded file is written upload:ID."
    if scheme == "job":
        return "" if _JOB.fullmatch(href) else "an output of a job is written job:ID/OUTPUT."
    return ""


def _address_refusal(href: str, policy: SourcePolicy) -> str:
    try:
        parts = urlsplit(href)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it is no valid address."
    if not host:
        return "it names no host."
    try:
        address = ip_address(host)
    except ValueError:
        return ""  # A name: the fetcher judges the addresses that it stands for.
    if address_allowed(address, policy):
        return ""
    return f"{address} is no address that this server may fetch from."


def address_allowed(address: IPv4Address | IPv6Address, policy: SourcePolicy) -> bool:
    """Whether an address may be fetched from: globally routable, or in a network of the policy."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    networks = [ip_network(network) for network in policy.networks]
    if any(address in network for network in networks if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast


def _file_refusal(href: str, policy: SourcePolicy) -> str:
    try:
        parts = urlsplit(href)
    except ValueError:
        return "a file is written file:///PATH."
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path:
        return "a file is written file:///PATH."
    if not policy.roots:
        return "this server reads no files by their path; upload the file, or give its address."
    plain = normpath(path)
    if any(_below(plain, normpath(root)) for root in policy.roots):
        return ""
    return "the file is not below a folder that this server reads from."


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root.rstrip('/')}/")
