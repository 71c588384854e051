"""Runs MPIC-OPT in this process; images, surveys and whole jobs of DSM-OPT on simulated scenes."""

import json
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning
from rasterio.rpc import RPC

from core.compute import Compute
from core.declare import Pipeline, SourcePolicy, validate
from core.io.products.stereo import open_views
from core.io.sources import Sources
from core.pipelines import PIPELINES
from core.pipelines.dsm_opt.declaration import DSM_OPT
from core.pipelines.dsm_opt.images import open_images
from core.pipelines.dsm_opt.inspection import inspect as inspect_stereo
from core.pipelines.mpic_opt.declaration import MpicOptOutputs
from core.pipelines.mpic_opt.inspection import inspect
from core.pipelines.mpic_opt.run import run
from core.progress import Progress
from core.simulate.fault import texture
from core.simulate.stereo.making import Stereo, make_stereo
from core.workspace import Context, Workspace

NORTH_UP = Affine(10, 0, 400000, 0, -10, 4700000)


def source(path: Path) -> dict[str, str]:
    return {"href": path.resolve().as_uri()}


@pytest.fixture(name="source", scope="session")
def source_of() -> Callable[[Path], dict[str, str]]:
    """Makes a reference to a file, as in a request."""
    return source


@dataclass(frozen=True)
class Result:
    folder: Path
    outputs: MpicOptOutputs
    reports: list[tuple[float, str]]

    def dataset(self, output: str, number: int = 0) -> Any:
        return rasterio.open(self.folder / getattr(self.outputs, output)[number].path)

    def raster(self, output: str, number: int = 0) -> np.ndarray:
        with self.dataset(output, number) as dataset:
            return dataset.read(1)

    def document(self, output: str) -> Any:
        return json.loads((self.folder / getattr(self.outputs, output).path).read_text())

    @property
    def pair(self) -> Any:
        return self.document("statistics")["pairs"][0]


JOB = "https://example.org/ground/jobs/1"


def context(
    folder: Path,
    inputs: dict[str, Any],
    pool: Executor,
    pipeline: Pipeline = PIPELINES["mpic-opt"],
    **compute: Any,
) -> tuple[Any, Context, list]:
    workspace, reports = Workspace(folder), []
    policy = SourcePolicy(roots=("/",))
    checked = validate(pipeline, json.dumps({"inputs": inputs}), policy)
    made = Context(
        sources=Sources(policy, {}, workspace.scratch / "sources"),
        workspace=workspace,
        progress=Progress(lambda done, message: reports.append((done, message))),
        executor=pool,
        compute=Compute(workers=2, scratch=workspace.scratch, **compute),
        document=checked.document,
        pipeline=pipeline,
        job_link=JOB,
    )
    return checked.parameters, made, reports


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Result]:
    """Runs the service on sources given as paths; other inputs as in a request."""
    count = 0

    def run_service(
        reference: Path | None = None,
        secondary: Path | None = None,
        *,
        pool: Executor | None = None,
        memory: int = 1536 << 20,
        **inputs: Any,
    ) -> Result:
        nonlocal count
        count += 1
        folder = tmp_path / f"job{count}"
        if reference is not None and secondary is not None:
            inputs |= {"reference": source(reference), "secondary": source(secondary)}
        with ThreadPoolExecutor(2) as threads:
            parameters, made, reports = context(folder, inputs, pool or threads, memory=memory)
            outputs = run(parameters, made)
        return Result(folder / "output", outputs, reports)

    return run_service


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Inspects a request."""

    def inspect_request(**inputs: Any) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as threads:
            parameters, made, _ = context(tmp_path / "inspection", inputs, threads)
            return inspect(parameters, made)

    return inspect_request


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes an image as a GeoTIFF."""

    def write_image(
        name: str,
        values: np.ndarray,
        transform: Affine = NORTH_UP,
        crs: str | None = "EPSG:32633",
        **profile: Any,
    ) -> Path:
        path = tmp_path / f"{name}.tif"
        shape = {"height": values.shape[0], "width": values.shape[1], "count": 1}
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            dtype=values.dtype,
            crs=crs,
            transform=transform,
            **shape,
            **profile,
        ) as dataset:
            dataset.write(values, 1)
        return path

    return write_image


@pytest.fixture(scope="session")
def moved_pair() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Makes two images, between which the ground moves some pixels to the east."""

    def made(cols: int = 2) -> tuple[np.ndarray, np.ndarray]:
        rows, width = 96, 110
        ground = np.rint(texture((rows, width + cols), 8)).astype(np.uint16)
        return ground[:, cols:], ground[:, :width]

    return made


@pytest.fixture
def stereo(tmp_path: Path) -> Callable[..., tuple[Any, Context]]:
    """The parameters and the context of a DSM-OPT job on images given as paths."""

    def prepared(*images: Path, **inputs: Any) -> tuple[Any, Context]:
        with ThreadPoolExecutor(1) as threads:
            given = inputs | {"images": [source(path) for path in images]}
            parameters, made, _ = context(tmp_path / "stereo", given, threads, DSM_OPT)
        return parameters, made

    return prepared


@pytest.fixture
def opened(stereo: Callable[..., tuple[Any, Context]]) -> Callable[..., Any]:
    """The images of a DSM-OPT request, given as paths."""
    return lambda *images, **inputs: open_images(*stereo(*images, **inputs))


@cache
def simulated(views: str, shape: tuple[int, int] = (128, 128)) -> Stereo:
    return make_stereo("plain", views, shape=shape, seed=11)


@pytest.fixture(scope="session")
def plain_pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Two simulated images of a plain in the order of their times."""
    return simulated("pair").write(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def plain_triplet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Three simulated images of a plain in the order of their times."""
    return simulated("triplet").write(tmp_path_factory.mktemp("triplet"))


@pytest.fixture
def survey(stereo: Callable[..., tuple[Any, Context]]) -> Callable[..., Any]:
    """What the inspection of images given as paths tells; it has to be JSON."""

    def told(*images: Path, **inputs: Any) -> Any:
        found = inspect_stereo(*stereo(*images, **inputs))
        return json.loads(json.dumps(found, allow_nan=False))

    return told


@pytest.fixture
def box(plain_pair: tuple[Path, ...], tmp_path: Path) -> dict[str, list[float]]:
    """A small area in the middle of the simulated pair, as an input."""
    (view,) = open_views(plain_pair[:1], scratch=tmp_path)
    middle = view.rpc.locate(63.5, 63.5, 60.0)
    lon, lat = float(middle.lon), float(middle.lat)
    return {"bbox": [lon - 1e-4, lat - 1e-4, lon + 1e-4, lat + 1e-4]}


@pytest.fixture
def surveyed(plain_pair: tuple[Path, ...], tmp_path: Path) -> Callable[..., dict[str, str]]:
    """A file of ground control as the models see it, moved by some rows in the second image."""

    def written(rows: float, check: str = "") -> dict[str, str]:
        views = open_views(plain_pair, scratch=tmp_path)
        ground = views[0].rpc.locate(60.0, 60.0, 70.0)
        lines = ["id,lon,lat,height,image,row,col,origin,check"]
        for number, view in enumerate(views, 1):
            seen = view.rpc.project(ground.lon, ground.lat, 70.0)
            row = float(seen.row) + (rows if number == 2 else 0)
            lines.append(
                f"P1,{float(ground.lon)!r},{float(ground.lat)!r},70,{number},{row!r},"
                f"{float(seen.col)!r},0-centre,{check}"
            )
        path = tmp_path / "points.csv"
        path.write_text("\n".join(lines))
        return {"href": path.as_uri()}

    return written


@pytest.fixture(scope="session")
def steps(beside: Callable[..., ModuleType]) -> ModuleType:
    """The steps of DSM-OPT, one by one."""
    return beside(__file__, "stereo_steps")


@pytest.fixture(scope="session")
def aladim(beside: Callable[..., ModuleType]) -> ModuleType:
    """Files and contexts for the steps of ALADIM."""
    return beside(__file__, "aladim_steps")


@pytest.fixture(scope="session")
def place(
    beside: Callable[..., ModuleType], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Any]:
    """A simulated scene on which DSM-OPT is run; unless told otherwise its models are true."""
    jobs = beside(__file__, "stereo_jobs")

    def opened(stereo: Stereo, write: Callable[[Path], tuple[Path, ...]] | None = None) -> Any:
        folder = tmp_path_factory.mktemp("place")
        images = write or partial(stereo.write, true_model=True)
        return jobs.Place(stereo, images(folder), folder, context)

    return opened


@pytest.fixture(scope="session")
def city(place: Callable[..., Any]) -> Any:
    """A town, and the results of the requests that were made of it."""
    return place(make_stereo("city", shape=(256, 256), seed=45))


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """A copy of an image under another name, which may tell a time; another model or pixels."""

    def copy(
        path: Path,
        name: str,
        *,
        model: dict[str, Any] | Path | None = None,
        pixels: np.ndarray | None = None,
        **profile: Any,
    ) -> Path:
        with rasterio.open(path) as dataset:
            values = dataset.read() if pixels is None else pixels
            rpc = dataset.rpcs
            kept = {"driver": "GTiff", "dtype": values.dtype, "nodata": dataset.nodata}
        if isinstance(model, Path):
            with rasterio.open(model) as dataset:
                rpc = dataset.rpcs
        elif model is not None:
            rpc = RPC(**{**vars_of(rpc), **model})
        shape = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
        made = tmp_path / f"{name}.tif"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(made, "w", **{**kept, **shape, "rpcs": rpc, **profile}) as dataset:
                dataset.write(values)
        return made

    return copy


def vars_of(rpc: RPC) -> dict[str, Any]:
    return {field.name: getattr(rpc, field.name) for field in attrs.fields(RPC)}
