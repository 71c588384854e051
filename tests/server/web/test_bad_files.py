"""Bad files: the job that reads one fails with the reason, and leaves nothing behind."""

import io
import json
import os
import tarfile
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin


class Failure(NamedTuple):
    inputs: Mapping[str, Any]
    code: str


class Images:
    """Makes images, good ones and bad ones, in the folder the server reads from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def href(self, name: str) -> dict[str, str]:
        return {"href": f"file://{self.folder / name}"}

    def write(self, name: str, content: bytes) -> dict[str, str]:
        (self.folder / name).write_bytes(content)
        return self.href(name)

    def tiff(
        self,
        name: str = "",
        *,
        size: int = 96,
        east: float = 500_000.0,
        crs: str | None = "EPSG:32633",
        bands: int = 1,
        fill: int | None = None,
    ) -> bytes:
        values = np.random.default_rng(1).integers(1000, 4000, (bands, size, size))
        if fill is not None:
            values[:] = fill
        pixel = 10.0 if crs != "EPSG:4326" else 0.0001
        north = 5_400_000.0 if crs != "EPSG:4326" else 48.0
        corner = east if crs != "EPSG:4326" else 15.0
        path = self.folder / (name or "made.tif")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                width=size,
                height=size,
                count=bands,
                dtype="uint16",
                crs=crs,
                transform=from_origin(corner, north, pixel, pixel) if crs else None,
                nodata=0,
            ) as dataset:
                dataset.write(values.astype("uint16"))
        return path.read_bytes()

    def zip(self, name: str, members: Mapping[str, bytes]) -> dict[str, str]:
        with zipfile.ZipFile(self.folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
        return self.href(name)


SAFE = "S2A_MSIL1C_20160529T100552_N0202_R022_T33UUU_20160529T100549.SAFE"
BAND = f"{SAFE}/GRANULE/L1C_T33UUU/IMG_DATA/T33UUU_20160529T100552_B04.tif"
ENTITY = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'


def archives(made: Images) -> Iterator[tuple[str, Failure]]:
    good, image = made.href("good.tif"), made.tiff("image.tif")

    def against(reference: dict[str, str], code: str) -> Failure:
        return Failure({"reference": reference, "secondary": good}, code)

    made.zip("whole.zip", {BAND: image})
    whole = (made.folder / "whole.zip").read_bytes()
    yield "a truncated zip", against(made.write("cut.zip", whole[:-150]), "bad-archive")
    climbing = made.zip("dots.zip", {BAND: image, f"{SAFE}/../../evil.tif": image})
    yield "a zip with ..", against(climbing, "bad-archive")
    absolute = made.zip("absolute.zip", {BAND: image, "/etc/evil": image})
    yield "a zip with an absolute path", against(absolute, "bad-archive")
    bomb = made.zip("bomb.zip", {BAND: b"\0" * (100 << 20)})
    yield "a zip bomb", against(bomb, "source-too-large")
    nested = made.zip("nested.zip", {BAND: image, f"{SAFE}/inner.zip": whole})
    yield "a zip within a zip", against(nested, "bad-archive")
    with warnings.catch_warnings(), zipfile.ZipFile(made.folder / "twice.zip", "w") as twice:
        warnings.simplefilter("ignore", UserWarning)
        twice.writestr(BAND, image)
        twice.writestr(BAND, image)
    yield "a zip with a name twice", against(made.href("twice.zip"), "bad-archive")
    with zipfile.ZipFile(made.folder / "link.zip", "w") as linked:
        info = zipfile.ZipInfo(BAND)
        info.external_attr = 0o120777 << 16
        linked.writestr(info, "/etc/passwd")
    yield "a zip with a link", against(made.href("link.zip"), "bad-archive")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        link = tarfile.TarInfo(BAND)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    yield "a tar with a link", against(made.write("link.tar", buffer.getvalue()), "bad-archive")
    entity = made.zip("entity.zip", {BAND: image, f"{SAFE}/MTD_MSIL1C.xml": ENTITY})
    yield "XML with an entity", against(entity, "bad-metadata")


def rasters(made: Images) -> Iterator[tuple[str, Failure]]:
    good = made.href("good.tif")

    def case(name: str, code: str, **options: Any) -> tuple[str, Failure]:
        file = name.replace(" ", "_") + ".tif"
        extra = options.pop("inputs", {})
        made.tiff(file, **options)
        return name, Failure({"reference": good, "secondary": made.href(file), **extra}, code)

    yield case("no CRS", "no-georeference", crs=None)
    yield case("a geographic CRS", "unsupported-grid", crs="EPSG:4326")
    yield case("an empty raster", "bad-raster", fill=0)
    yield case("several bands and no choice", "band-missing", bands=3)
    yield case("a missing band", "band-missing", inputs={"band": "7"})
    yield case("no overlap", "no-overlap", east=900_000.0)
    yield case("an overlap of one pixel", "too-small", east=500_950.0)
    yield case("an image smaller than the window", "too-small", size=9)
    yield case("rates without dates", "date-missing", inputs={"units": "m/day"})
    away = {"bbox": [-70.0, -30.0, -69.0, -29.0]}
    yield case("an area elsewhere", "no-overlap", inputs={"aoi": away})
    whole = made.tiff("whole.tif", size=300)
    half = made.write("half.tif", whole[: len(whole) // 2])
    yield "half a TIFF", Failure({"reference": half, "secondary": good}, "bad-raster")
    text = made.write("text.tif", b"This is no image.\n")
    yield "a text called a TIFF", Failure({"reference": text, "secondary": good}, "unknown-format")
    empty = made.write("empty.tif", b"")
    yield "an empty file", Failure({"reference": empty, "secondary": good}, "unknown-format")
    vrt = (
        '<VRTDataset rasterXSize="96" rasterYSize="96"><VRTRasterBand dataType="Byte" band="1">'
        "<SimpleSource><SourceFilename>/etc/passwd</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    virtual = made.write("virtual.tif", vrt.encode())
    yield "a VRT", Failure({"reference": virtual, "secondary": good}, "unknown-format")
    missing = made.href("missing.tif")
    yield "a missing file", Failure({"reference": missing, "secondary": good}, "source-unreachable")
    (made.folder / "way.tif").symlink_to("/etc/passwd")
    way = made.href("way.tif")
    yield (
        "a link out of the folder",
        Failure({"reference": way, "secondary": good}, "source-refused"),
    )


class Elsewhere(BaseHTTPRequestHandler):
    """A server of images that is no good."""

    def do_GET(self) -> None:
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.end_headers()
        elif self.path.startswith("/large"):
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
        elif self.path.startswith("/endless"):
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"\0" * (1 << 20))
            except OSError:
                return
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is logged."""


def downloads(made: Images, port: int) -> Iterator[tuple[str, Failure]]:
    number = {"href": "https://2852039166/a.tif"}  # 169.254.169.254
    refused = Failure({"reference": number, "secondary": made.href("good.tif")}, "source-refused")
    yield "an address written as a number", refused
    for name, path, code in (
        ("a link that is dead", "none.tif", "source-unreachable"),
        ("a redirection to the network itself", "redirect.tif", "source-refused"),
        ("a download that is too large", "large.tif", "source-too-large"),
        ("a download without end", "endless.tif", "source-too-large"),
    ):
        href = {"href": f"http://127.0.0.1:{port}/{path}?token=secret"}
        yield name, Failure({"reference": href, "secondary": made.href("good.tif")}, code)


NAMES = (
    "a truncated zip",
    "a zip with ..",
    "a zip with an absolute path",
    "a zip bomb",
    "a zip within a zip",
    "a zip with a name twice",
    "a zip with a link",
    "a tar with a link",
    "XML with an entity",
    "no CRS",
    "a geographic CRS",
    "an empty raster",
    "several bands and no choice",
    "a missing band",
    "no overlap",
    "an overlap of one pixel",
    "an image smaller than the window",
    "rates without dates",
    "an area elsewhere",
    "half a TIFF",
    "a text called a TIFF",
    "an empty file",
    "a VRT",
    "a missing file",
    "a link out of the folder",
    "an address written as a number",
    "a link that is dead",
    "a redirection to the network itself",
    "a download that is too large",
    "a download without end",
)


class Outcome(NamedTuple):
    failure: Failure
    info: dict[str, Any]


@pytest.fixture(scope="module")
def outcomes(running_server: Any) -> Iterator[dict[str, Outcome]]:
    """All bad inputs, sent at once, when all their jobs have ended."""
    made = Images(running_server.images)
    made.tiff("good.tif")
    web = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    failures = dict(archives(made))
    failures |= dict(rasters(made))
    failures |= dict(downloads(made, web.server_port))
    sent = {name: running_server.submit("mpic-opt", f.inputs) for name, f in failures.items()}
    yield {
        name: Outcome(failures[name], running_server.wait(job_id, 600.0))
        for name, job_id in sent.items()
    }
    web.shutdown()
    web.server_close()


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_file_makes_its_job_fail_with_the_reason(
    running_server: Any, outcomes: dict[str, Outcome], name: str
) -> None:
    outcome = outcomes[name]
    info = outcome.info
    assert info["status"] == "failed", info
    assert [problem["code"] for problem in info["problems"]] == [outcome.failure.code], info
    answer = running_server.get(f"/jobs/{info['jobID']}/results")
    assert 400 <= answer.status_code < 500
    assert answer.json()["code"] == outcome.failure.code
    log = running_server.get(f"/jobs/{info['jobID']}/log").text
    for text in (json.dumps(info), log, answer.text):
        assert "Traceback" not in text
        assert "secret" not in text
        assert str(running_server.data) not in text
        assert "root:" not in text


def test_every_bad_file_has_its_test(outcomes: dict[str, Outcome]) -> None:
    assert tuple(outcomes) == NAMES


def test_bad_files_leave_nothing_behind(
    running_server: Any, outcomes: dict[str, Outcome], until: Callable[..., None]
) -> None:
    def left() -> set[str]:
        found = set()
        for outcome in outcomes.values():
            folder = running_server.data / "jobs" / outcome.info["jobID"]
            found |= {path.name for path in folder.rglob("*") if path.is_file()}
        return found

    until(lambda: left() <= {"log.txt", "operator.log"})
    inspections = running_server.data / "inspections"
    assert not inspections.exists() or not os.listdir(inspections)
    assert running_server.get("/health").status_code == 200
