"""The one way in which loops are compiled."""

from collections.abc import Callable
from typing import Any, cast

import numba


def kernel[F: Callable[..., Any]](function: F) -> F:
    """Compile `function`: cached on disk, free of the interpreter's lock, exact in its order.

    No fastmath and no parallel loops: results would depend on the number of threads.  A kernel and
    the compiled helpers that it calls share a file, because the cache notices changes per file.
    A division by nought gives what NumPy gives: a test of each divisor would keep loops from being
    vectorised.
    """
    return cast("F", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
