"""The two commands that work on a job's directory; they load nothing that they do not need."""

import argparse
import faulthandler
from collections.abc import Sequence
from pathlib import Path


def carry_out(arguments: Sequence[str]) -> int:
    """Run, or inspect, the job in a directory."""
    # A crash in a compiled library leaves its place in the operator's log, our standard error.
    faulthandler.enable()
    options = _parser().parse_args(arguments)
    directory = Path(options.job).absolute()
    if options.command == "inspect":
        from core.job.bounds import Bounds
        from core.job.inspection import inspect_here

        bounds = Bounds(options.seconds, options.memory, options.disk)
        return inspect_here(directory, bounds, parent=options.parent)
    from core.job.runner import run

    return run(directory, attached=options.attached)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="optiground")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the job in a directory")
    run.add_argument("--job", metavar="DIR", required=True)
    run.add_argument(
        "--attached", action="store_true", help="stop when the process that started it is gone"
    )
    inspect = commands.add_parser("inspect", help="look at the inputs of the job in a directory")
    inspect.add_argument("--job", metavar="DIR", required=True)
    inspect.add_argument("--seconds", type=float, required=True)
    inspect.add_argument("--memory", type=int, required=True)
    inspect.add_argument("--disk", type=int)
    inspect.add_argument("--parent", type=int, help="process without which it is not wanted")
    return parser
