"""Clients that are slow to send the body of a request, and hold a thread meanwhile."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_PIECE = 1 << 16
_LARGEST_REST = 16 << 20
_REST_S = 2.0

Environ = Mapping[str, Any]


@contextmanager
def within(environ: Environ, seconds: float) -> Iterator[None]:
    """Let reading of a body end after `seconds`, as if the client had gone away.

    A time-out of the socket would not do: it begins anew with each byte.
    """
    timer = threading.Timer(seconds, stop_reading, [environ])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def stop_reading(environ: Environ) -> None:
    """Take nothing more from the client; what it is sent still reaches it."""
    connection = _socket(environ)
    if connection is not None:
        with contextlib.suppress(OSError):  # It has gone away by itself.
            connection.shutdown(socket.SHUT_RD)


def has_body(environ: Environ) -> bool:
    """Whether a body was announced that ends somewhere."""
    announced = environ.get("CONTENT_LENGTH") not in (None, "", "0")
    return "wsgi.input_terminated" in environ and (announced or "HTTP_TRANSFER_ENCODING" in environ)


def drain(environ: Environ) -> bool:
    """Take in what is left of a body, and tell whether its end was reached.

    A client that is still sending does not read the answer, and finds the connection broken when
    it is closed; very long bodies, and slow clients, are not worth it.
    """
    with within(environ, _REST_S), contextlib.suppress(Exception):
        # Whatever is wrong with the rest is of no interest.
        for _ in range(_LARGEST_REST // _PIECE):
            if not environ["wsgi.input"].read(_PIECE):
                return True
    return False


def _socket(environ: Environ) -> socket.socket | None:
    found = environ.get("gunicorn.socket")
    return found if isinstance(found, socket.socket) else None
