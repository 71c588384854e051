"""Latencies and memory by case."""

from collections.abc import Sequence

from benchmarks.result import Result, markdown

HEAD = (
    "case",
    "requests",
    "errors, missing",
    "median",
    "99 %",
    "longest",
    "client late (99 %)",
    "memory",
)
NOTE = "Milliseconds; memory: the largest growth of a process from 10 s to 30 s."


def text(results: Sequence[Result]) -> str:
    rows = [_row(one) for one in results]
    return f"{markdown(HEAD, rows)}\n\n{NOTE}\n\n{results[0].machine}"


def _row(one: Result) -> list[str]:
    figures = one.figures
    growth = [value for name, value in figures.items() if name.endswith("_growth_percent")]
    bad = [f"{figures[name]:.0f}" for name in ("errors", "missing") if name in figures]
    return [
        one.case,
        f"{figures['requests']:.0f}",
        ", ".join(bad),
        *(f"{figures[name]:.0f}" for name in ("p50_ms", "p99_ms", "max_ms")),
        f"{figures['lag_p99_ms']:.0f}",
        f"{max(growth):+.1f} %" if growth else "",
    ]
