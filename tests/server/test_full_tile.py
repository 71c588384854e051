"""A pair of full Sentinel-2 tiles through the job engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window
from scipy import ndimage

from core.simulate.fault import fine_deviation, texture

SIDE, PERIOD, STRIP = 10980, 2196, 1024
MEMORY = 1_500_000_000


def write_tiles(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Ground that repeats every 2196 pixels and moves in waves; the motion (rows, cols), pixels."""
    ground = texture((PERIOD, PERIOD), 5)
    rows, cols = np.mgrid[:PERIOD, :PERIOD].astype(float)
    wave = 2 * np.pi / PERIOD
    motion = (
        -0.6 * np.cos(2 * wave * rows) * np.sin(3 * wave * cols),
        0.8 * np.sin(3 * wave * rows) * np.cos(2 * wave * cols),
    )
    before = ndimage.map_coordinates(
        ground.astype(float), [rows + motion[0], cols + motion[1]], order=5, mode="grid-wrap"
    )
    noise = 0.3 * fine_deviation(ground)
    rng = np.random.default_rng(1)
    across = np.arange(SIDE) % PERIOD
    for name, image in (("20240301", before), ("20240311", 0.92 * ground + 30)):
        with rasterio.open(
            folder / f"tile_{name}.tif", "w", driver="GTiff", width=SIDE, height=SIDE, count=1,
            dtype="uint16", crs="EPSG:32633", transform=Affine(10, 0, 300000, 0, -10, 5000000),
            tiled=True,
        ) as dataset:  # fmt: skip
            for top in range(0, SIDE, STRIP):
                down = np.arange(top, min(top + STRIP, SIDE)) % PERIOD
                strip = image[down][:, across] + rng.normal(0, noise, (down.size, SIDE))
                whole = np.clip(np.rint(strip), 1, 65535).astype(np.uint16)
                dataset.write(whole, 1, window=Window(0, top, SIDE, down.size))
    return motion


@pytest.mark.slow
def test_a_pair_of_full_tiles_is_measured_within_a_gigabyte_and_a_half(
    server_with: Callable[..., Any],
) -> None:
    server = server_with(memory_limit=MEMORY)
    motion = write_tiles(server.images)
    inputs: dict[str, Any] = {
        role: {"href": (server.images / f"tile_{day}.tif").as_uri()}
        for role, day in (("reference", "20240301"), ("secondary", "20240311"))
    }
    job = server.submit("mpic-opt", inputs | {"coregistration": False, "deramp": False})
    ended = server.wait(job, 1800)
    assert ended["status"] == "successful", ended
    (link,) = server.get(f"/jobs/{job}/results").json()["displacement_east"]
    part = Window(4 * PERIOD, 3 * PERIOD, PERIOD, PERIOD)
    with rasterio.open(f"/vsicurl/{link['href']}.tif") as dataset:
        assert dataset.shape == (SIDE, SIDE)
        east = dataset.read(1, window=part)
    assert np.isfinite(east).mean() > 0.99
    assert np.sqrt(np.nanmean((east / 10 - motion[1]) ** 2)) < 0.06
