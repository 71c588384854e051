"""Real stereo images in every form that users have, from the request over HTTP to the model."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio

from core.simulate.stereo.images import pack

HALF_SIDE_M = 75.0
DEGREE_M = 111_320.0


class Model(NamedTuple):
    """A surface model as it was downloaded, and what its values are rounded to."""

    height: np.ndarray
    step: float
    place: Any


class Site(NamedTuple):
    """Real images of one place."""

    name: str
    folder: str
    files: tuple[str, ...]
    heights: tuple[float, float]


REUNION = Site("reunion", "s2p_pair_reunion", ("img_01.tif", "img_02.tif"), (2200, 2500))
MARSEILLE = Site(
    "marseille",
    "s2p_triplet_marseille",
    ("img_01.tif", "img_02.tif", "img_03.tif"),
    (50, 600),
)
DIMAP = Site("dimap", "dimap_fixture", ("6909081", "6909083"), (50, 600))
SITES = (REUNION, MARSEILLE, DIMAP)


def images_of(site: Site, shared_data: Path) -> list[Path]:
    paths = [shared_data / "stereo" / site.folder / name for name in site.files]
    if not all(path.exists() for path in paths):
        pytest.skip(f"the real images of {site.name} are not there")
    return paths


def uploaded(server: Any, path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        answer = server.post("/uploads", files={"file": (path.name, file)})
    assert answer.status_code == 201, answer.text
    return {"href": answer.json()["href"]}


def inspected(server: Any, inputs: dict[str, Any]) -> Any:
    return server.post("/processes/dsm-opt/inspect", json={"inputs": inputs})


def copied(paths: list[Path], folder: Path) -> Path:
    """One folder that holds the images, or the deliveries, as they are."""
    folder.mkdir(parents=True)
    for path in paths:
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy(path, folder)
    return folder


def as_plain_files(server: Any, paths: list[Path], folder: Path) -> list[dict[str, str]]:
    """Each file by itself; of a delivery the image files and metadata, in no folder any more."""
    files = [
        file
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file() and not file.name.startswith("VOL")
    ]
    return [uploaded(server, file) for file in files]


def as_zip(server: Any, paths: list[Path], folder: Path) -> list[dict[str, str]]:
    return [uploaded(server, pack(copied(paths, folder / "delivery"), "zip"))]


def as_tar(server: Any, paths: list[Path], folder: Path) -> list[dict[str, str]]:
    return [uploaded(server, pack(copied(paths, folder / "delivery"), "tar.gz"))]


def as_folder(server: Any, paths: list[Path], folder: Path) -> list[dict[str, str]]:
    below = server.images / folder.name
    return [{"href": f"file://{copied(paths, below)}"}]


FORMS: dict[str, Callable[[Any, list[Path], Path], list[dict[str, str]]]] = {
    "zip": as_zip,
    "tar.gz": as_tar,
    "folder": as_folder,
}


def middle(server: Any, images: list[dict[str, str]]) -> dict[str, Any]:
    """An area of interest of 150 m around the middle of what the images show."""
    answer = inspected(server, {"images": images})
    assert answer.status_code == 200, answer.text
    rings = [image["footprint"]["coordinates"][0] for image in answer.json()["images"]]
    lon, lat = np.mean([np.mean(ring, axis=0) for ring in rings], axis=0)
    high = HALF_SIDE_M / DEGREE_M
    wide = high / np.cos(np.radians(lat))
    return {"bbox": [lon - wide, lat - high, lon + wide, lat + high]}


def model(server: Any, inputs: dict[str, Any]) -> Model:
    job = server.submit("dsm-opt", inputs)
    status = server.wait(job, timeout_s=240)
    assert status["status"] == "successful", status["message"]
    link = server.get(f"/jobs/{job}/results").json()["dsm"]
    answer = server.session.get(link["href"], timeout=60)
    assert answer.status_code == 200
    with rasterio.open(io.BytesIO(answer.content)) as dataset:
        step = float(dataset.tags()["ROUNDED_TO"])
        return Model(dataset.read(1), step, (dataset.transform, dataset.crs))


@pytest.fixture(scope="module")
def plain(
    shared_data: Path, running_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Site], tuple[Model, dict[str, Any]]]:
    """The model of a site from plain files, and the area that it was made for; made once."""
    made: dict[str, tuple[Model, dict[str, Any]]] = {}

    def ask(site: Site) -> tuple[Model, dict[str, Any]]:
        if site.name not in made:
            paths = images_of(site, shared_data)
            images = as_plain_files(running_server, paths, tmp_path_factory.mktemp(site.name))
            area = middle(running_server, images)
            made[site.name] = model(running_server, {"images": images, "aoi": area}), area
        return made[site.name]

    return ask


@pytest.mark.shared
@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_plain_files_give_a_model_at_the_height_of_the_place(
    site: Site, plain: Callable[[Site], tuple[Model, dict[str, Any]]]
) -> None:
    made, _ = plain(site)
    known = np.isfinite(made.height)
    assert known.mean() > 0.85
    low, high = np.percentile(made.height[known], [1, 99])
    assert site.heights[0] < low < high < site.heights[1]


QUICK = {("reunion", "tar.gz"), ("reunion", "folder"), ("dimap", "zip")}

FORMS_OF_SITES = [
    pytest.param(
        site,
        form,
        id=f"{site.name}-{form}",
        # Every form once, and a delivery as it comes; what is the same with other pixels is slow.
        marks=() if (site.name, form) in QUICK else pytest.mark.slow,
    )
    for site in SITES
    for form in FORMS
]


@pytest.mark.shared
@pytest.mark.parametrize(("site", "form"), FORMS_OF_SITES)
def test_archives_and_folders_give_the_model_of_the_plain_files(
    site: Site,
    form: str,
    plain: Callable[[Site], tuple[Model, dict[str, Any]]],
    shared_data: Path,
    running_server: Any,
    tmp_path: Path,
) -> None:
    expected, area = plain(site)
    images = FORMS[form](running_server, images_of(site, shared_data), tmp_path)
    assert len(images) == 1
    found = model(running_server, {"images": images, "aoi": area})
    assert found.place == expected.place
    assert np.array_equal(np.isfinite(found.height), np.isfinite(expected.height))
    assert np.nanmax(np.abs(found.height - expected.height)) <= max(found.step, expected.step)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="not met: 0.064 m in the middle of the pair, 0.02 to 0.05 m in others; 0.05 wanted",
)
def test_the_whole_pair_gives_the_model_that_a_small_area_gives_there(
    shared_data: Path, running_server: Any, tmp_path: Path
) -> None:
    paths = images_of(REUNION, shared_data)
    images = as_plain_files(running_server, paths, tmp_path)
    wanted = {"images": images, "resolution": 0.5}
    small = model(running_server, wanted | {"aoi": middle(running_server, images)})
    whole = model(running_server, wanted)
    corner = ~whole.place[0] @ (small.place[0].c, small.place[0].f)
    row, col = round(corner[1]), round(corner[0])
    rows, cols = small.height.shape
    error = whole.height[row : row + rows, col : col + cols] - small.height
    known = error[np.isfinite(error)]
    assert known.size > 0.85 * error.size
    assert 1.4826 * np.median(np.abs(known - np.median(known))) < 0.05


@pytest.mark.shared
def test_crops_with_the_rpc_of_the_strip_are_refused_with_a_hint(
    shared_data: Path, running_server: Any
) -> None:
    paths = [shared_data / "stereo/dimap_samples" / name for name in ("wv3_20.NTF", "wv3_30.NTF")]
    if not all(path.exists() for path in paths):
        pytest.skip("the WorldView-3 crops are not there")
    images = [uploaded(running_server, path) for path in paths]
    answer = inspected(running_server, {"images": images})
    assert answer.status_code == 400, answer.text
    assert "Is it the RPC of the uncropped image, or of another one?" in answer.text
    job = running_server.submit("dsm-opt", {"images": images})
    status = running_server.wait(job)
    assert status["status"] == "failed"
    assert "shows no ground that the other image shows" in status["message"]


@pytest.mark.shared
def test_a_single_quickbird_image_is_refused_with_what_its_own_control_points_say(
    shared_data: Path, running_server: Any
) -> None:
    path = shared_data / "stereo/orthority_qb2/qb2_basic1b.tif"
    if not path.exists():
        pytest.skip("the QuickBird image is not there")
    images = [uploaded(running_server, path)]
    answer = inspected(running_server, {"images": images})
    assert answer.status_code >= 400
    for words in ("one image makes no pair", "5 ground control points", "4.3 pixels"):
        assert words in answer.text
    job = running_server.submit("dsm-opt", {"images": images})
    status = running_server.wait(job)
    assert status["status"] == "failed"
    assert "one image makes no pair" in status["message"]
