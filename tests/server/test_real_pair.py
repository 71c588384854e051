"""A real Sentinel-2 pair, from the upload over HTTP to the map in metres."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from scipy import ndimage

FOLDER = Path("sentinel2", "arosics_pair_T33UUU")
BEFORE = "tgt_S2A_20160529T153631_T33UUU_sub.tif"
AFTER = "ref_S2A_20160608T153121_T33UUU_sub.tif"


def uploaded(server: Any, path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        answer = server.post("/uploads", files={"file": (path.name, file)})
    assert answer.status_code == 201, answer.text
    return {"href": answer.json()["href"]}


def raster(server: Any, results: dict[str, Any], output: str) -> np.ndarray:
    (link,) = results[output]
    answer = server.session.get(link["href"], timeout=60)
    assert answer.status_code == 200
    with rasterio.open(io.BytesIO(answer.content)) as dataset:
        return dataset.read(1)


def clear_ground(paths: list[Path]) -> np.ndarray:
    """Ground of the common window that is bright in neither image nor within 8 px of it."""
    with rasterio.open(paths[0]) as first, rasterio.open(paths[1]) as last:
        west, south = max(first.bounds[0], last.bounds[0]), max(first.bounds[1], last.bounds[1])
        east, north = min(first.bounds[2], last.bounds[2]), min(first.bounds[3], last.bounds[3])
        images = [
            dataset.read(1, window=dataset.window(west, south, east, north).round_lengths())
            for dataset in (first, last)
        ]
    bright = (images[0] > 2500) | (images[1] > 2500)
    far = ndimage.distance_transform_edt(~bright) > 8
    return (images[0] > 0) & (images[1] > 0) & far


@pytest.mark.shared
@pytest.mark.parametrize("corrected", [False, True])
def test_a_real_pair_is_measured_over_http(
    corrected: bool, shared_data: Path, running_server: Any
) -> None:
    paths = [shared_data / FOLDER / name for name in (BEFORE, AFTER)]
    reference, secondary = (uploaded(running_server, path) for path in paths)
    switches = {} if corrected else {"coregistration": False, "deramp": False}
    inputs = {"reference": reference, "secondary": secondary, **switches}
    job = running_server.submit("mpic-opt", inputs)
    ended = running_server.wait(job, 300)
    assert ended["status"] == "successful", ended
    results = running_server.get(f"/jobs/{job}/results").json()
    clear = clear_ground(paths)
    medians = [
        float(np.nanmedian(raster(running_server, results, f"displacement_{side}")[clear]))
        for side in ("east", "north")
    ]
    if corrected:
        statistics = running_server.get(f"/jobs/{job}/results/statistics").json()
        removed = statistics["pairs"][0]["corrections"][0]
        assert removed["id"] == "coregistration"
        assert max(map(abs, medians)) < 0.2
        medians = [removed[side]["constant"] for side in ("east", "north")]
    assert medians[0] == pytest.approx(-6.1, abs=0.8)
    assert medians[1] == pytest.approx(-18.3, abs=0.6)
    for picture in results["quicklook"]:
        answer = running_server.session.get(picture["href"], timeout=60)
        assert min(Image.open(io.BytesIO(answer.content)).size) > 400
