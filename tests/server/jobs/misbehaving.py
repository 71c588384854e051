"""A service that only the tests of the engine know: it does to its host what a job may not do."""

import os
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from pathlib import Path
from typing import Annotated, Any

from core.declare import Group, Outputs, Parameters, Pipeline, ValueProduct

CHUNK = 4 << 20


class DeedParameters(Parameters):
    deed: Annotated[str, Group("Deeds")]
    """What to do."""
    gate: Annotated[str, Group("Deeds")] = ""
    """A file whose appearance ends the job well."""


class DeedOutputs(Outputs):
    word: Annotated[str, ValueProduct()]
    """A word."""


def run(parameters: DeedParameters, context: Any) -> DeedOutputs:
    deeds = {
        "allocate": _allocate,
        "write": _write,
        "write-nameless": _write_nameless,
        "fork": _fork,
        "behave": _behave,
        "pool": _pool,
    }
    deeds[parameters.deed](context, Path(parameters.gate))
    return DeedOutputs(word="done")


def _allocate(context: Any, gate: Path) -> None:
    held = []
    while True:
        # Written to, so that it is really there.
        held.append(bytearray(os.urandom(64) * (CHUNK // 64)))
        time.sleep(0.005)


def _write(context: Any, gate: Path) -> None:
    number = 0
    while True:
        (context.workspace.scratch / f"{number}").write_bytes(bytes(CHUNK))
        number += 1
        time.sleep(0.005)


def _write_nameless(context: Any, gate: Path) -> None:
    # Several, so that no single file reaches the limit of the kernel.
    files = [tempfile.TemporaryFile() for _ in range(8)]  # noqa: SIM115
    while True:
        for file in files:
            file.write(bytes(CHUNK))
            file.flush()
        time.sleep(0.005)


def _fork(context: Any, gate: Path) -> None:
    while True:
        if os.fork() == 0:
            if os.fork() == 0:
                os.setsid()
            time.sleep(600)
        time.sleep(0.01)


def _behave(context: Any, gate: Path) -> None:
    while not gate.exists():
        context.progress.report(0.5, "waiting at the gate")
        time.sleep(0.05)


def _pool(context: Any, gate: Path) -> None:
    pool: Executor = context.executor
    flying: set[Future[None]] = set()
    while not gate.exists():
        context.progress.report(0.5, "waiting at the gate")
        while len(flying) < 4:
            flying.add(pool.submit(_tile, str(gate.parent)))
        done, flying = wait(flying, return_when=FIRST_COMPLETED)
        for one in done:
            one.result()


def _tile(folder: str) -> None:
    # Named after the worker, so that the test can find and kill it.
    (Path(folder) / f"worker-{os.getpid()}").touch()
    time.sleep(0.2)


DEED = Pipeline(
    id="deed",
    title="Deed",
    text="Misbehaves.",
    version="1.0.0",
    keywords=("test",),
    parameters=DeedParameters,
    outputs=DeedOutputs,
    run="misbehaving:run",
)
