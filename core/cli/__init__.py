"""The command line ``optiground``: every service, made from its declaration.

``optiground mpic-opt --reference A.tif --secondary B.tif --output DIR`` runs a service,
``optiground inspect mpic-opt …`` only looks at its inputs, ``optiground compile`` fills the cache
of kernels.  ``optiground run --job DIR`` and ``optiground inspect --job DIR`` are what the runner
of jobs starts.
"""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 2 the input was refused, 1 failed."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["run"], ["inspect"]) and "--job" in given:
        from core.cli.jobs import carry_out

        return carry_out(given)
    from core.cli.commands import obey

    return obey(given)
