"""Cost by size of window."""

from collections.abc import Sequence

from benchmarks.result import Result, markdown


def text(results: Sequence[Result]) -> str:
    rows = (
        [r.case, f"{r.figures['cpu_s_per_mpx']:.2f}", f"{r.figures['wall_s']:.1f}"] for r in results
    )
    table = markdown(["4096 x 4096", "CPU-s/Mpx", "wall s"], rows)
    return f"{table}\n\n{results[0].machine}"
