"""Ours beside others'."""

from collections.abc import Sequence

from benchmarks.known_fields import peers
from benchmarks.result import Result, markdown

COLUMNS = (
    ("etq_noisy", "rmse_px"),
    ("ramp_noisy", "rmse_px"),
    ("ramp_clean", "rmse_px"),
    ("slide_noisy", "moving_rmse_px"),
)


def text(results: Sequence[Result]) -> str:
    together = [*results, *peers.results()]
    tools = dict.fromkeys(result.tool for result in together)
    head = ["tool", *(f"{case}, {name}" for case, name in COLUMNS), "CPU-s/Mpx, all in"]
    compared = markdown(head, (_row(tool, together) for tool in tools))
    names = list(results[0].figures)
    ours = ([r.case, *(f"{r.figures[name]:.3g}" for name in names)] for r in results)
    return f"{compared}\n\n{markdown(['case', *names], ours)}\n\n{results[0].machine}"


def _row(tool: str, results: Sequence[Result]) -> list[str]:
    mine = {result.case: result.figures for result in results if result.tool == tool}
    values = [mine.get(case, {}).get(name) for case, name in COLUMNS]
    cost = max(figures["cpu_s_per_mpx"] for figures in mine.values())
    return [tool, *("" if v is None else f"{v:.3f}" for v in values), f"{cost:.2f}"]
