"""The one schema of what a benchmark found, for ours and for others' tools."""

import json
import os
import platform
import resource
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

STORE = Path(__file__).parents[1] / ".benchmarks" / "results.jsonl"


def machine() -> str:
    """The machine in words: comparisons of times hold on one machine only."""
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return f"{' + '.join(sorted(models)) or platform.processor()}, {os.cpu_count()} cores"


@dataclass(frozen=True)
class Result:
    """What one tool reached on one case.

    Parameters
    ----------
    benchmark, case
        Name of the folder and of the case.
    tool
        Name, version and settings of what was measured.
    figures
        Named numbers; the name ends in the unit where there is one (`rmse_px`, `cpu_s`).
    machine, when
        Where and when it was measured.
    source
        Where the figures are from, if not from this run.
    """

    benchmark: str
    case: str
    tool: str
    figures: Mapping[str, float]
    machine: str = field(default_factory=machine)
    when: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    source: str = "this run"


class Stopwatch:
    """Wall-clock and CPU seconds of a block, children that have ended included."""

    def __enter__(self) -> "Stopwatch":
        self._wall, self._cpu = time.monotonic(), _cpu_s()
        return self

    def __exit__(self, *exception: object) -> None:
        self.wall_s, self.cpu_s = time.monotonic() - self._wall, _cpu_s() - self._cpu


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def keep(result: Result) -> None:
    """Append a result to the store of this checkout."""
    STORE.parent.mkdir(exist_ok=True)
    with STORE.open("a") as stream:
        stream.write(json.dumps(asdict(result)) + "\n")


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
