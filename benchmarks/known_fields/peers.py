"""Others on the same four files, by the same scorer."""

from benchmarks.result import Result

MEASURED = "2026-11-22"
SOURCE = "measured by hand on two shared cores, single runs; times are within 30 %"

_COLUMNS = ("etq_noisy", "slide_noisy", "ramp_noisy", "ramp_clean")

# RMSE, moving RMSE (slide), RMSE, RMSE in pixels; CPU-seconds per megapixel of points measured.
_ROWS = {
    "MicMac MM2DPosSism 7x7, dense": (0.071, 0.297, 0.063, 0.002, 123.40),
    "MicMac MM2DPosSism 15x15, dense": (0.048, None, None, None, 118.77),
    "COSI-Corr phase 64, every 8th pixel": (0.046, 0.230, 0.034, 0.007, 3.78),
    "COSI-Corr phase 32, every 8th pixel": (0.119, 0.342, 0.109, 0.016, 1.13),
    "autoRIFT 16, every 8th pixel": (0.055, 0.239, 0.051, 0.035, 4.37),
    "autoRIFT 32, every 16th pixel": (0.051, 0.444, 0.033, 0.023, 4.31),
    "OpenCV DIS, dense": (0.157, 0.103, 0.146, 0.015, 0.71),
    "EFolki, dense": (0.129, 0.151, 0.128, 0.045, 10.67),
}


def results() -> list[Result]:
    found = []
    for tool, row in _ROWS.items():
        for case, value in zip(_COLUMNS, row, strict=False):
            if value is not None:
                name = "moving_rmse_px" if case == "slide_noisy" else "rmse_px"
                figures = {name: value, "cpu_s_per_mpx": row[-1]}
                when = MEASURED
                found.append(
                    Result("known_fields", case, tool, figures, "two shared cores", when, SOURCE)
                )
    return found
