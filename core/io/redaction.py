"""References fit for records and logs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit


def redact(href: str) -> str:
    """A reference fit for records and logs: without credentials, query and fragment.

    >>> redact("https://me:secret@example.org/a.tif?token=1#x")
    'https://example.org/a.tif'
    >>> redact("upload:5f2c")
    'upload:5f2c'
    """
    try:
        parts = urlsplit(href)
    except ValueError:
        return href.partition(":")[0] + ":"
    if not parts.netloc:
        return href.partition("?")[0].partition("#")[0]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def redacted(document: Any) -> Any:
    """A copy of a request document with all its references (``href``) redacted."""
    if isinstance(document, Mapping):
        return {
            key: redact(value) if key == "href" and isinstance(value, str) else redacted(value)
            for key, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [redacted(value) for value in document]
    return document
