"""Services that only tests know: small pipelines that do what jobs must survive."""

import errno
import os
import signal
import time
from concurrent.futures import wait
from pathlib import Path
from typing import Annotated

from pydantic import Field

from core.declare import (
    Choice,
    File,
    FileProduct,
    Group,
    Outputs,
    Parameters,
    Pipeline,
    Source,
    Unit,
    ValueProduct,
)
from core.errors import BadRaster, NothingMeasured
from core.workspace import Context


class Deed(Choice):
    """What a trial does."""

    WORK = "work", "Writes a file and ends."
    WAIT = "wait", "Waits until it is stopped, deaf to the first wish."
    REFUSE = "refuse", "Finds fault with its input."
    FAIL = "fail", "Fails for a reason of its own."
    BREAK = "break", "Runs into a fault of ours."
    FILL = "fill", "Meets a full disk."
    FLOOD = "flood", "Writes until the disk is full."
    SWELL = "swell", "Runs out of memory."
    DIE = "die", "Kills its own process."
    LOSE = "lose", "Kills a process of its pool."
    HALF = "half", "Names a file that it never published."


class TrialParameters(Parameters):
    """Inputs of a trial."""

    deed: Annotated[Deed, Group("trial")] = Deed.WORK
    """What to do."""
    tiles: Annotated[int, Unit("1"), Group("trial"), Field(ge=1, le=1000)] = 4
    """How many tiles."""
    source: Annotated[Source | None, Group("trial")] = None
    """A file to look at."""


class TrialOutputs(Outputs):
    """Outputs of a trial."""

    table: Annotated[File, FileProduct("text/csv", "csv")]
    """A table of the squares."""
    parts: Annotated[tuple[File, ...], FileProduct("text/plain", "txt")] = ()
    """One file a tile."""
    total: Annotated[int | None, ValueProduct()] = None
    """The sum of the squares."""


def square(number: int) -> int:
    """The work of a tile."""
    return number * number


def lose(_number: int) -> int:
    """A tile whose process dies."""
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def run(parameters: TrialParameters, context: Context) -> TrialOutputs:
    """Do the deed."""
    deed = parameters.deed
    if deed is Deed.WAIT:
        _wait(context)
    if deed is Deed.REFUSE:
        raise BadRaster("The raster is bad.", pointer="/inputs/source")
    if deed is Deed.FAIL:
        raise NothingMeasured("No pair could be measured.")
    if deed is Deed.BREAK:
        raise RuntimeError(f"cannot find {context.workspace.scratch}")
    if deed is Deed.FILL:
        (context.workspace.output / "half.txt").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if deed is Deed.FLOOD:
        with (context.workspace.output / "flood").open("wb") as stream:
            while True:
                stream.write(bytes(1 << 16))
    if deed is Deed.SWELL:
        raise MemoryError
    if deed is Deed.DIE:
        os.kill(os.getpid(), signal.SIGKILL)
    if deed is Deed.LOSE:
        wait([context.executor.submit(lose, 1)])[0].pop().result()
    return _work(parameters, context)


def _wait(context: Context) -> None:
    context.progress.report(0.5, "waiting")
    for _ in range(2):
        try:
            time.sleep(600)
        except Exception:
            context.progress.report(0.6, "still waiting")


def _work(parameters: TrialParameters, context: Context) -> TrialOutputs:
    squares = []
    for number, made in enumerate(context.executor.map(square, range(parameters.tiles))):
        squares.append(made)
        context.progress.report((number + 1) / parameters.tiles, f"tile {number + 1}")

    def write(path: Path) -> None:
        path.write_text("".join(f"{made}\n" for made in squares))

    table = context.workspace.publish("table.csv", write, type="text/csv", title="Squares")
    parts = tuple(
        context.workspace.publish(f"parts/{n}.txt", write, type="text/plain", key=str(n))
        for n in range(2)
    )
    if parameters.deed is Deed.HALF:
        table = table.model_copy(update={"path": "nowhere.csv"})
    return TrialOutputs(table=table, parts=parts, total=sum(squares))


def inspect(parameters: TrialParameters, context: Context) -> dict[str, object]:
    """Look at the source, badly where its first word says so."""
    if parameters.source is None:
        return {"size": 0}
    path = context.sources.fetch(parameters.source, "/inputs/source")
    word = path.read_text().strip()
    if word == "bad":
        raise BadRaster("The source is bad.", pointer="/inputs/source")
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    scratch = context.workspace.scratch
    if word == "flood":
        (scratch / "flood").write_bytes(bytes(1 << 20))
    if word == "strew":
        for number in range(100):
            (scratch / f"{number}.strewn").write_bytes(bytes(1 << 14))
    if word in ("hang", "strew"):
        (scratch / "hangs").touch()
        time.sleep(600)
    if word == "swell":
        return {"size": len(bytearray(3 << 29))}
    if word == "break":
        raise RuntimeError("a fault of ours")
    return {"size": len(word)}


TRIAL = Pipeline(
    id="trial",
    title="Trial",
    text="Does what it is told, for tests.",
    version="1.0.0",
    keywords=("test",),
    parameters=TrialParameters,
    outputs=TrialOutputs,
    run="trial_services:run",
)
INSPECTED = Pipeline(
    id="inspected-trial",
    title="Inspected trial",
    text="Looks at its input first.",
    version="1.0.0",
    keywords=("test",),
    parameters=TrialParameters,
    outputs=TrialOutputs,
    run="trial_services:run",
    inspect="trial_services:inspect",
)
