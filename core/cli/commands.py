"""The commands for people: the services, their inspection, and compiling."""

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import core
from core.cli.options import add_inputs, given_inputs, joined
from core.cli.service import Order, examine, execute, refusal
from core.cli.terminal import complain
from core.compute import MIB
from core.declare import Pipeline, SourcePolicy, ValueProduct, validate_inputs
from core.errors import OptiGroundError, Refused, problems_of
from core.job import child_environment, kernel_cache, user_cache
from core.pipelines import PIPELINES

LOCAL = SourcePolicy(schemes=("https", "file"), roots=("/",))
"""Who sits at the machine may read what the account may read."""


def obey(arguments: Sequence[str]) -> int:
    """Carry out a command line; see :func:`core.cli.main`."""
    options = _parser().parse_args(joined(arguments))
    if options.command == "compile":
        return _compile(options)
    pipeline = PIPELINES[options.process]
    former = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        order = _order(pipeline, options)
        if options.command == "inspect":
            return examine(order)
        return execute(order)
    except OptiGroundError as error:
        problems = [problem.as_dict() for problem in problems_of(error)]
        if options.json:
            _print({"status": "failed", "problems": problems})
        complain(problems)
        return 2 if isinstance(error, Refused) else 1
    except KeyboardInterrupt:
        sys.stderr.write("optiground: stopped\n")
        return 1
    finally:
        signal.signal(signal.SIGTERM, former)


def _order(pipeline: Pipeline, options: argparse.Namespace) -> Order:
    inputs = given_inputs(pipeline, options)
    if options.request:
        inputs = _replayed(Path(options.request)) | inputs
    checked = validate_inputs(pipeline, inputs, LOCAL)
    for warning in checked.warnings:
        sys.stderr.write(f"optiground: {warning}\n")
    workers = options.workers or os.cpu_count() or 1
    return Order(
        pipeline=pipeline,
        document=checked.document,
        policy=LOCAL,
        output=_output(pipeline, options),
        as_json=options.json,
        compute={
            "workers": workers,
            "memory": (options.memory or max(1536, 512 * workers)) * MIB,
            "executor": options.executor,
            "scheduler": options.scheduler,
        },
    )


def _output(pipeline: Pipeline, options: argparse.Namespace) -> Path | None:
    if options.command == "inspect":
        return None
    values_only = all(isinstance(out.product, ValueProduct) for out in pipeline.output_list)
    if options.output is None:
        if values_only:
            return None
        raise refusal("Name a folder for the results: --output DIR.", None)
    folder = Path(options.output).absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        told = f"--output is {folder}, which is not empty; results go to a folder of their own."
        raise refusal(told, str(folder))
    return folder


def _replayed(path: Path) -> dict[str, Any]:
    """The inputs in a request.json of an earlier job."""
    try:
        document = json.loads(path.read_bytes())
        inputs: dict[str, Any] = dict(document["inputs"])
    except (OSError, ValueError, KeyError, TypeError):
        raise refusal(f"--request is {path}, which holds no request.", str(path)) from None
    return inputs


def _compile(options: argparse.Namespace) -> int:
    """Fill the cache of kernels, in a process whose environment names the folder."""
    cache = Path(options.cache).absolute() if options.cache else kernel_cache(user_cache())
    with TemporaryDirectory(prefix="optiground-") as folder:
        (Path(folder) / "scratch").mkdir()
        done = subprocess.run(
            [sys.executable, "-c", "from core.pipelines.warming import warm; warm()"],
            env=child_environment(Path(folder), cache=cache),
            check=False,
        )
    return int(done.returncode != 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="optiground", description="Ground motion from optical images.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=core.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for pipeline in PIPELINES.values():
        service = commands.add_parser(
            pipeline.id, help=pipeline.title, description=pipeline.text, allow_abbrev=False
        )
        service.set_defaults(process=pipeline.id)
        _add_running(service)
        add_inputs(service, pipeline)
    inspect = commands.add_parser("inspect", help="look at a service's inputs, compute nothing")
    services = inspect.add_subparsers(dest="process", required=True, metavar="SERVICE")
    for pipeline in PIPELINES.values():
        service = services.add_parser(pipeline.id, help=pipeline.title, allow_abbrev=False)
        _add_running(service)
        add_inputs(service, pipeline)
    compiling = commands.add_parser("compile", help="compile the kernels and cache them")
    compiling.add_argument("--cache", metavar="DIR", help="where to; default: the user's cache")
    return parser


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument("--output", metavar="DIR", help="new or empty folder for the results")
    group.add_argument("--request", metavar="FILE", help="take the inputs from a request.json")
    group.add_argument("--json", action="store_true", help="write the result as JSON")
    group.add_argument("--workers", type=int, metavar="N", help="tiles worked on at once")
    group.add_argument("--memory", type=int, metavar="MIB", help="memory the job may use, in MiB")
    group.add_argument(
        "--executor",
        choices=("threads", "spawn", "dask"),
        default="threads",
        help="what carries the tiles",
    )
    group.add_argument("--scheduler", metavar="ADDRESS", default="", help="of a Dask cluster")


def _print(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
