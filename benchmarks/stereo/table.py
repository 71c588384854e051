"""Tools beside one another, a table for simulated scenes and one for real places."""

from collections.abc import Sequence

from benchmarks.result import Result, markdown

ACCURACY = {
    "nmad_m": "NMAD m",
    "rmse_m": "RMSE m",
    "over_3_m_percent": "beyond 3 m %",
    "edge_nmad_m": "NMAD near edges m",
    "edge_width_m": "edge width m",
    "right_percent": "right within 1 m %",
    "valid_percent": "valid %",
    "footprint_valid_percent": "valid of footprint %",
    "water_right_or_none_percent": "water %",
    "cloud_right_or_none_percent": "cloud %",
}
PLACEMENT = {
    "bias_m": "bias m",
    "east_m": "east m",
    "north_m": "north m",
    "tilt_m_per_km": "tilt m/km",
}
REAL = {"seen_valid_percent": "valid of what two images hold %", "slope_p95": "slope, 95 %"}
AGREEMENT = {"nmad_m": "NMAD m", "within_1_m_percent": "within 1 m of the median %"}
FIRST = {"first_tile_s": "first tile s"}
PIXELS = {"cpu_s_per_mpx": "CPU s per Mpx and pair"}
COST = {"cpu_s": "CPU s", "peak_mb": "memory MB"}
WALL = {"wall_s": "wall s"}


def text(results: Sequence[Result]) -> str:
    """Which figures a result has tells which table it belongs to."""
    parts = (
        ("right_percent", {**ACCURACY, **PLACEMENT, **COST}),
        ("seen_valid_percent", {**REAL, **COST}),
        ("within_1_m_percent", {**AGREEMENT, **PLACEMENT}),
        ("first_tile_s", {**FIRST, **WALL, **COST}),
        ("cpu_s_per_mpx", {**PIXELS, **WALL, **COST}),
    )
    tables = []
    for sign, columns in parts:
        rows = [_row(one, columns) for one in results if sign in one.figures]
        if rows:
            tables.append(markdown(["case", "tool", *columns.values()], rows))
    machine = results[0].machine if results else "no case of these words"
    return "\n\n".join([*tables, machine])


def _row(result: Result, columns: dict[str, str]) -> list[str]:
    values = (result.figures.get(name) for name in columns)
    return [result.case, result.tool, *map(_number, values)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
