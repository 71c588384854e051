"""Seconds by case."""

from collections.abc import Sequence

from benchmarks.result import Result, markdown


def text(results: Sequence[Result]) -> str:
    rows = [
        [
            r.case,
            ", ".join(
                f"{name.removesuffix('_s')} {value:.2f}" for name, value in r.figures.items()
            ),
        ]
        for r in results
    ]
    return f"{markdown(['job', 'seconds'], rows)}\n\n{results[0].machine}"
