"""Running a service for someone at the terminal: a job beside the results, then the results."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.cli.terminal import ProgressLine, complain
from core.declare import Pipeline, SourcePolicy
from core.errors import Inconsistent, Problem, Refused
from core.job import JobRequest, child_environment, inspect, is_file, prepare, run_in_child

JOB = ".job"
"""Folder of the job inside that of the results, so that results are moved by a rename."""


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line.

    Parameters
    ----------
    pipeline, document, policy, compute
        As in :class:`core.job.JobRequest`.
    output
        Folder for the results, new or empty; None where the outputs are values.
    as_json
        Write for a machine.
    """

    pipeline: Pipeline
    document: dict[str, Any]
    policy: SourcePolicy
    output: Path | None
    as_json: bool
    compute: Mapping[str, Any]


def refusal(message: str, value: object) -> Refused:
    """The error for a folder or file on the command line that cannot be used."""
    return Refused([Problem(Inconsistent.code, "", value, "a new or empty folder", message)])


def examine(order: Order) -> int:
    """Show what the inputs' headers tell."""
    report = inspect(order.pipeline.id, order.document, order.policy, {})
    sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    return 0


def execute(order: Order) -> int:
    """Run the service and put its results where they were wanted."""
    line = ProgressLine()
    with _directory(order.output) as directory:
        request = JobRequest(order.pipeline.id, order.document, order.policy, compute=order.compute)
        prepare(directory, request)
        environment = child_environment(directory, memory=int(order.compute["memory"]))
        try:
            result = run_in_child(directory, environment, watch=line.show)
        finally:
            line.end()
        if order.output is not None:
            _deliver(directory, order.output, result)
    return _tell(order, result)


@contextmanager
def _directory(output: Path | None) -> Iterator[Path]:
    """A folder for the job, gone afterwards; so is that of the results if nothing came there."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="optiground-") as folder:
            yield Path(folder)
        return
    was_there = output.exists()
    directory = output / JOB
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        told = f"--output is {output}, which cannot be used: {error.strerror}."
        raise refusal(told, str(output)) from None
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        if not was_there and not any(output.iterdir()):
            output.rmdir()


def _deliver(directory: Path, output: Path, result: Mapping[str, Any]) -> None:
    """Move what was made out of the job's folder; after a fault of ours, the log."""
    if result["status"] == "successful":
        for entry in (directory / "output").iterdir():
            entry.rename(output / entry.name)
        (directory / "log.txt").rename(output / "log.txt")
    elif not result["refused"] and result["status"] == "failed":
        (directory / "operator.log").rename(output / "error.log")


def _tell(order: Order, result: Mapping[str, Any]) -> int:
    if order.as_json:
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    if result["status"] == "successful":
        if not order.as_json:
            _list(order, result["outputs"])
        return 0
    complain(result["problems"] or [{"message": result["message"]}])
    if order.output is not None and (order.output / "error.log").exists():
        sys.stderr.write(f"optiground: see {order.output / 'error.log'}\n")
    return 2 if result["refused"] else 1


def _list(order: Order, outputs: Mapping[str, Any]) -> None:
    """Show values, and where the files are."""
    for name, value in outputs.items():
        files = [item for item in (value if isinstance(value, list) else [value]) if is_file(item)]
        if order.output is not None and files:
            shown = [str(order.output / file["path"]) for file in files]
        else:
            shown = [json.dumps(value, ensure_ascii=False)]
        sys.stdout.writelines(f"{name}: {text}\n" for text in shown)
