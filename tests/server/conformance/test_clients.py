"""Clients that nobody here wrote take a job from the description of its process to its result."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import numpy as np
import pytest
import rasterio
from owslib.ogcapi.processes import Processes

EAST_M = 20.0
"""The second image of the pair lies two pixels of 10 m further east."""
GDAL_OVER_HTTP = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "VSI_CACHE": "NO"}


@pytest.fixture
def shows_the_motion(running_server: Any) -> Callable[[str], None]:
    """Opens a map of the motion towards the east by GDAL over HTTP, and looks at it."""

    def look(address: str) -> None:
        assert address.startswith(running_server.url)
        with rasterio.Env(**GDAL_OVER_HTTP), rasterio.open(f"/vsicurl/{address}") as dataset:
            assert dataset.crs.to_epsg() == 32633
            assert dataset.units == ("m",)
            values = dataset.read(1, window=((32, 96), (32, 96)))
        assert np.nanmedian(values) == pytest.approx(EAST_M, abs=0.5)

    return look


@pytest.fixture
def moved(running_server: Any, pair: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Inputs of ``mpic-opt``: a pair with a motion of `EAST_M`."""
    return pair(running_server.images)


def required(description: dict[str, Any]) -> set[str]:
    return {name for name, entry in description["inputs"].items() if entry.get("minOccurs", 1)}


def test_owslib(running_server: Any, moved: Any, shows_the_motion: Any) -> None:
    client = Processes(running_server.url)
    assert "mpic-opt" in [process["id"] for process in client.processes()]
    description = client.process("mpic-opt")
    assert required(description) <= set(moved) <= set(description["inputs"])
    outputs = {"displacement_east": {"transmissionMode": "reference"}}
    made = client.execute("mpic-opt", inputs=moved, outputs=outputs, async_=True)
    info = running_server.wait(made["jobID"])
    (address,) = [link["href"] for link in info["links"] if link["rel"].endswith("/results")]
    (file,) = running_server.session.get(address).json()["displacement_east"]
    shows_the_motion(file["href"])


def curl(*arguments: str) -> Any:
    """What curl prints, as JSON; HTTP errors fail."""
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", "60", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=90).stdout)


def test_curl_follows_links_alone(
    running_server: Any, moved: Any, shows_the_motion: Any, until: Any
) -> None:
    def href(document: Any, relation: str) -> str:
        found: str = next(
            link["href"] for link in document["links"] if link["rel"].endswith(relation)
        )
        return found

    listed = curl(href(curl(running_server.url), "processes"))["processes"]
    (summary,) = [process for process in listed if process["id"] == "mpic-opt"]
    execution = href(curl(href(summary, "self")), "/execute")
    body = json.dumps({"inputs": moved})
    job = curl("-H", "Content-Type: application/json", "--data", body, execution)
    until(lambda: curl(href(job, "self"))["status"] not in ("accepted", "running"), 120.0)
    results = curl(href(curl(href(job, "self")), "/results"))
    shows_the_motion(results["displacement_east"][0]["href"])


def test_cuiman(running_server: Any, moved: Any, shows_the_motion: Any) -> None:
    from cuiman import Client

    client = Client(api_url=running_server.url)
    try:
        assert "mpic-opt" in [process.id for process in client.get_processes().processes]
        description = client.get_process("mpic-opt")
        assert set(moved) <= set(description.inputs)
        job = client.execute_process("mpic-opt", request={"inputs": moved}).jobID
        assert running_server.wait(job)["status"] == "successful"
        assert client.get_job(job).status.value == "successful"
        assert job in [found.jobID for found in client.get_jobs().jobs]
        shows_the_motion(client.get_job_results(job).root["displacement_east"][0]["href"])
        assert client.dismiss_job(job).status.value == "dismissed"
    finally:
        client.close()


def test_ogc_api_processes_client(running_server: Any, moved: Any, shows_the_motion: Any) -> None:
    from ogc_api_processes_client.api_client_wrapper import ApiClientWrapper
    from ogc_api_processes_client.configuration import Configuration

    client = ApiClientWrapper(Configuration(host=running_server.url))
    assert "mpic-opt" in [process.id for process in client.get_processes().processes]
    assert set(moved) <= set(client.get_process_description("mpic-opt").inputs)
    # It reads no list of links (an array has texts for it), so it takes the outputs of one file.
    request = {"inputs": moved, "outputs": {"stac": {}, "statistics": {}}}
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    job = client.execute_simple("mpic-opt", request, _headers=headers).job_id
    assert running_server.wait(job)["status"] == "successful"
    assert client.get_status(job).status.value == "successful"
    results = client.get_result(job)
    assert set(results) == {"stac", "statistics"}
    address = results["stac"].actual_instance.href
    stac = running_server.session.get(address).json()
    (item,) = stac.get("features", [stac])
    shows_the_motion(urljoin(address, item["assets"]["displacement_east"]["href"]))
    assert client.dismiss(job).status.value == "dismissed"
