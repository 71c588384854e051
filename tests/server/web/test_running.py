"""The whole server, as clients meet it: gunicorn, dispatcher, jobs."""

import http.client
import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import rasterio
from owslib.ogcapi.processes import Processes
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

from core.pipelines import PIPELINES

GDAL_OVER_HTTP = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "0",
    "VSI_CACHE": "NO",
}


def image(folder: Path, name: str, shift: int) -> dict[str, str]:
    texture = gaussian_filter(np.random.default_rng(7).normal(size=(220, 220)), 1.5)
    values = (2000 + 4000 * texture).clip(1, 9000).astype("uint16")
    cut = values[30 : 30 + 160, 30 - shift : 30 - shift + 160]
    profile = {
        "driver": "GTiff",
        "width": 160,
        "height": 160,
        "count": 1,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": from_origin(500_000, 5_400_000, 10, 10),
    }
    with rasterio.open(folder / name, "w", **profile) as dataset:
        dataset.write(cut, 1)
        dataset.update_tags(ACQUISITION_DATE="2016-05-29" if shift == 0 else "2016-06-08")
    return {"href": f"file://{folder / name}"}


@pytest.fixture(scope="module")
def measured(running_server: Any) -> dict[str, Any]:
    """The status of a job that has measured a motion of 20 m towards the east."""
    images = running_server.images
    inputs = {
        "reference": image(images, "before.tif", 0),
        "secondary": image(images, "after.tif", 2),
        "coregistration": False,
        "deramp": False,
    }
    info = running_server.wait(running_server.submit("mpic-opt", inputs), 300.0)
    assert info["status"] == "successful", info
    ended: dict[str, Any] = info
    return ended


def first(server: Any, info: dict[str, Any], output: str) -> str:
    """Address of the first file of an output."""
    found = server.get(f"/jobs/{info['jobID']}/results").json()[output]
    address: str = found[0]["href"]
    return address


def test_gdal_reads_the_result_over_http(running_server: Any, measured: dict[str, Any]) -> None:
    address = first(running_server, measured, "displacement_east")
    with rasterio.Env(**GDAL_OVER_HTTP), rasterio.open(f"/vsicurl/{address}") as dataset:
        values = dataset.read(1, window=((40, 120), (40, 120)))
        assert dataset.crs.to_epsg() == 32633
    assert np.nanmedian(values) == pytest.approx(20.0, abs=0.5)
    with rasterio.open(io.BytesIO(running_server.session.get(address).content)) as whole:
        np.testing.assert_array_equal(whole.read(1, window=((40, 120), (40, 120))), values)


def test_pictures_stac_archive_and_request_are_there(
    running_server: Any, measured: dict[str, Any]
) -> None:
    path = f"/jobs/{measured['jobID']}"
    picture = running_server.session.get(first(running_server, measured, "quicklook"))
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    stac = running_server.get(f"{path}/stac")
    assert running_server.url in stac.text
    assert str(running_server.data) not in stac.text
    archive = zipfile.ZipFile(io.BytesIO(running_server.get(f"{path}/archive.zip").content))
    assert archive.testzip() is None
    assert archive.namelist()[0] == "README.txt"
    request = running_server.get(f"{path}/request.json").json()
    again = running_server.post("/processes/mpic-opt/inspect", json=request)
    assert again.status_code == 200, again.text


def test_the_log_and_the_status_tell_no_path_of_the_server(
    running_server: Any, measured: dict[str, Any]
) -> None:
    path = f"/jobs/{measured['jobID']}"
    for below in ("", "/log", "/results", "/results/statistics", "/results/pairs"):
        assert str(running_server.data) not in running_server.get(path + below).text


def test_echo_answers_at_once_and_as_a_job(running_server: Any) -> None:
    request = {"inputs": {"stringInput": "teststring"}, "response": "document"}
    answer = running_server.post("/processes/echo/execution", json=request)
    assert (answer.status_code, answer.json()["stringInput"]) == (200, "teststring")
    info = running_server.wait(running_server.submit("echo", request["inputs"]))
    assert info["status"] == "successful"
    assert info["created"] <= info["started"] <= info["finished"]


def test_dismissing_a_running_job_ends_it(running_server: Any, until: Any) -> None:
    job = running_server.submit("echo", {"stringInput": "x", "pause": 600})
    running_server.wait_until(job, ("running",))
    answer = running_server.delete(f"/jobs/{job}")
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
    assert running_server.get(f"/jobs/{job}/results").status_code == 410
    until(lambda: not list((running_server.data / "jobs" / job).rglob("job.json")))
    assert running_server.delete(f"/jobs/{job}").json()["status"] == "dismissed"


def test_a_page_shows_the_progress_of_a_job(running_server: Any) -> None:
    job = running_server.submit("echo", {"stringInput": "x", "pause": 600})
    running_server.wait_until(job, ("running",))
    end = time.monotonic() + 30
    while "pausing" not in (text := running_server.get(f"/jobs/{job}?f=html").text):
        assert time.monotonic() < end, text
        time.sleep(0.1)
    running_server.delete(f"/jobs/{job}")


def test_owslib_finds_describes_and_executes(running_server: Any) -> None:
    client = Processes(running_server.url)
    assert {process["id"] for process in client.processes()} == set(PIPELINES)
    assert "stringInput" in client.process("echo")["inputs"]
    assert client.execute("echo", inputs={"stringInput": "x"})["stringInput"] == "x"
    job = client.execute("echo", inputs={"stringInput": "x"}, async_=True)
    assert running_server.wait(job["jobID"])["status"] == "successful"


def test_a_body_in_chunks_is_measured_as_it_comes(running_server: Any) -> None:
    def chunks(count: int) -> Iterator[bytes]:
        for _ in range(count):
            yield b"x" * (1 << 20)

    octets = {"Content-Type": "application/octet-stream"}
    answer = running_server.post("/uploads?name=a.bin", data=chunks(3), headers=octets)
    assert (answer.status_code, answer.json()["size"]) == (201, 3 << 20)
    assert running_server.delete(f"/uploads/{answer.json()['id']}").status_code == 204
    json = {"Content-Type": "application/json"}
    answer = running_server.post("/processes/echo/execution", data=chunks(6), headers=json)
    assert answer.status_code == 413


def test_an_upload_that_breaks_off_leaves_nothing(running_server: Any, until: Any) -> None:
    host = urlsplit(running_server.url).netloc
    before = set(running_server.data.joinpath("uploads").rglob("*"))
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.putrequest("POST", "/uploads")
    connection.putheader("Content-Type", "application/octet-stream")
    connection.putheader("Content-Length", "100000000")
    connection.endheaders(b"x" * 3_000_000)
    uploads = running_server.data / "uploads"
    until(lambda: set(uploads.rglob("*")) > before)
    connection.close()
    until(lambda: set(uploads.rglob("*")) == before)


def test_a_foreign_name_is_misdirected(running_server: Any) -> None:
    answer = running_server.get("/jobs", headers={"Host": "rebound.example:5000"})
    assert answer.status_code == 421
