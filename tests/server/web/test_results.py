"""Results in all their forms."""

import base64
import email
import email.policy
import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient

from server.jobs.models import Job

INPUTS = {"stringInput": "a<b> & ü", "arrayInput": [1, 2], "objectInput": {"value": "v"}}
TIF = "/results/displacement_east/20160529_20160608"
BASE = "http://127.0.0.1:5000"


def test_results_map_outputs_to_values(office: Any) -> None:
    job = office.echoed(inputs=INPUTS | {"bboxInput": {"bbox": [1.0, 2.0, 3.0, 4.0]}})
    answer = office.client.get(f"/jobs/{job.id}/results")
    assert answer.mimetype == "application/json"
    assert answer.json["stringInput"] == "a<b> & ü"
    assert answer.json["arrayInput"] == [1, 2]
    assert answer.json["objectInput"] == {"value": {"value": "v"}}
    assert answer.json["bboxInput"]["bbox"] == [1, 2, 3, 4]
    assert "imageInput" not in answer.json
    assert "a<b> & ü" in answer.text
    assert office.client.get(f"/jobs/{job.id}/results", headers={"Accept": "*/*"}).is_json


def test_results_map_outputs_to_links(office: Any, displaced: Callable[..., Job]) -> None:
    job = displaced()
    found = office.client.get(f"/jobs/{job.id}/results").json
    assert isinstance(found["displacement_east"], list)
    assert found["displacement_east"][0]["href"] == f"{BASE}/jobs/{job.id}{TIF}"
    assert found["displacement_east"][0]["type"].startswith("image/tiff")
    assert found["statistics"]["href"] == f"{BASE}/jobs/{job.id}/results/statistics"
    assert "magnitude" not in found
    for link in [*found["displacement_east"], found["statistics"]]:
        assert office.client.get(link["href"].removeprefix(BASE)).status_code == 200
    many = office.client.get(f"/jobs/{job.id}/results/displacement_east")
    assert many.json == found["displacement_east"]


def test_outputs_are_those_asked_for(office: Any) -> None:
    job = office.echoed(inputs=INPUTS, outputs={"arrayInput": {}})
    assert office.client.get(f"/jobs/{job.id}/results").json == {"arrayInput": [1, 2]}
    other = office.echoed(inputs=INPUTS, outputs={"stringInput": {"transmissionMode": "reference"}})
    link = office.client.get(f"/jobs/{other.id}/results").json["stringInput"]
    assert link["href"] == f"{BASE}/jobs/{other.id}/results/stringInput"
    assert office.client.get(link["href"].removeprefix(BASE)).text == "a<b> & ü"


def test_raw_results_are_one_body_or_parts_or_links(office: Any) -> None:
    client: FlaskClient = office.client
    one = office.echoed(inputs=INPUTS, outputs={"stringInput": {}}, response="raw")
    answer = client.get(f"/jobs/{one.id}/results")
    assert (answer.mimetype, answer.text) == ("text/plain", "a<b> & ü")
    two = office.echoed(inputs=INPUTS, response="raw")
    answer = client.get(f"/jobs/{two.id}/results")
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.data, policy=email.policy.HTTP)
    parts = {part["Content-ID"]: part for part in message.iter_parts()}
    assert parts["<stringInput>"].get_content() == "a<b> & ü"
    assert parts["<arrayInput>"].get_payload(decode=True) == b"[1, 2]"
    assert answer.data.startswith(b"--")
    by_link = {"stringInput": {"transmissionMode": "reference"}}
    three = office.echoed(inputs=INPUTS, outputs=by_link, response="raw")
    answer = client.get(f"/jobs/{three.id}/results")
    assert (answer.status_code, answer.data) == (204, b"")
    assert f"<{BASE}/jobs/{three.id}/results/stringInput>" in answer.headers["Link"]


def test_a_file_is_sent_whole_or_in_part(office: Any, displaced: Callable[..., Job]) -> None:
    client: FlaskClient = office.client
    content = bytes(range(256)) * 300
    path = f"/jobs/{displaced(content).id}{TIF}"
    whole = client.get(path)
    assert whole.data == content
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in whole.headers["Content-Security-Policy"]
    assert whole.headers["Content-Disposition"] == (
        'attachment; filename="displacement_east_20160529_20160608.tif"'
    )
    etag = whole.headers["ETag"]
    assert etag.startswith('"')
    head = client.head(path)
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(content)))
    part = client.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.data) == (206, content[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
    last = client.get(path, headers={"Range": "bytes=-5"})
    assert (last.status_code, last.data) == (206, content[-5:])
    beyond = client.get(path, headers={"Range": f"bytes={len(content)}-"})
    assert (beyond.status_code, beyond.json["code"]) == (416, "range-not-satisfiable")
    assert beyond.headers["Content-Range"] == f"bytes */{len(content)}"
    several = client.get(path, headers={"Range": "bytes=0-1,5-6"})
    assert (several.status_code, several.data) == (200, content)
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    for validator, status in ((etag, 206), ('"other"', 200)):
        answer = client.get(path, headers={"Range": "bytes=0-9", "If-Range": validator})
        assert answer.status_code == status
    assert client.get(path + ".tif").data == content


@pytest.mark.parametrize(
    "href",
    [
        'https://example.org/a.tif>; rel="x", <https://evil.example/',
        "https://example.org/a\r\nSet-Cookie: a=b",
        "https://example.org/a\r\n\r\n--",
        "https://example.org/\u00fc \u6f22?q=%20#a",
    ],
)
def test_a_reference_comes_back_as_one_address(office: Any, href: str) -> None:
    image = {"href": "https://example.org/a", "type": "image/tiff"}
    job = office.submit(inputs={"stringInput": "s", "imageInput": image}, response="raw")
    made = {"stringInput": "s", "imageInput": {"href": href, "type": "image/tiff\r\nX: y"}}
    parts = office.client.get(f"/jobs/{office.publish(office.claim(), made).id}/results")
    head = parts.data.partition(b"imageInput")[2].partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    assert names == [b"Content-Type", b"Content-Location"]

    office.submit(inputs=job.document["inputs"], outputs={"imageInput": {}}, response="raw")
    done = office.publish(office.claim(), made)
    answer = office.client.get(f"/jobs/{done.id}/results")
    assert (answer.status_code, answer.data) == (204, b"")
    assert "Content-Type" not in answer.headers
    (link,) = answer.headers.getlist("Link")
    assert link.isascii()
    assert link.isprintable()
    found = re.fullmatch(r'<([^<>"]*)>; rel="related"; type="[a-z]+/[a-z]+"; title="\w+"', link)
    assert found is not None
    assert unquote(found[1]) == unquote(href)


def test_what_was_not_made_is_not_found(office: Any, displaced: Callable[..., Job]) -> None:
    job = displaced()
    for below in (
        "magnitude",
        "nonsense",
        "displacement_east/none",
        "displacement_east/..",
        "statistics/x",
    ):
        answer = office.client.get(f"/jobs/{job.id}/results/{below}")
        assert answer.status_code == 404, below
    assert office.client.get(f"/jobs/{office.echoed().id}/stac").status_code == 404


def test_a_file_that_leads_out_of_the_job_is_not_sent(
    office: Any, displaced: Callable[..., Job]
) -> None:
    job = displaced()
    assert job.directory is not None
    (job.directory / "job.json").write_text("secret")
    for target in ("../job.json", "/etc/passwd"):
        file = job.directory / "output" / "statistics.json"
        file.unlink(missing_ok=True)
        file.symlink_to(target)
        answer = office.client.get(f"/jobs/{job.id}/results/statistics")
        assert answer.status_code == 410
        assert str(job.directory) not in answer.text


def test_removed_files_are_gone(office: Any, displaced: Callable[..., Job]) -> None:
    job = displaced()
    assert job.directory is not None
    shutil.rmtree(job.directory / "output")
    for below in ("results/statistics", "archive.zip", "stac"):
        assert office.client.get(f"/jobs/{job.id}/{below}").status_code == 410


def test_stac_links_lead_to_the_files(office: Any, displaced: Callable[..., Job]) -> None:
    job = displaced()
    answer = office.client.get(f"/jobs/{job.id}/stac")
    assert answer.mimetype == "application/geo+json"
    feature = answer.json["features"][0]
    assert feature["assets"]["displacement_east"]["href"] == f"{BASE}/jobs/{job.id}{TIF}"
    assert feature["links"][0]["href"] == f"{BASE}/jobs/{job.id}/stac"


def test_the_archive_holds_everything_stored(
    office: Any, displaced: Callable[..., Job], tmp_path: Any
) -> None:
    job = displaced()
    answer = office.client.get(f"/jobs/{job.id}/archive.zip")
    assert answer.mimetype == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    assert archive.namelist()[0] == "README.txt"
    assert {"displacement_east/a.tif", "statistics.json", "request.json"} <= set(archive.namelist())
    assert all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
    assert b"secret" not in archive.read("request.json")
    if shutil.which("unzip"):
        (tmp_path / "a.zip").write_bytes(answer.data)
        subprocess.run(["unzip", "-tq", str(tmp_path / "a.zip")], check=True)


def test_the_archive_of_values_explains_itself(office: Any) -> None:
    job = office.echoed(inputs=INPUTS)
    archive = zipfile.ZipFile(io.BytesIO(office.client.get(f"/jobs/{job.id}/archive.zip").data))
    assert archive.namelist() == ["README.txt", "results.json", "request.json"]
    assert "results.json, stringInput" in archive.read("README.txt").decode()


def test_an_earlier_result_can_be_an_input(office: Any, displaced: Callable[..., Job]) -> None:
    job = displaced()
    key = "20160529_20160608"
    sources = {
        "reference": {"href": f"job:{job.id}/displacement_east/{key}"},
        "secondary": {"href": f"job:{job.id}/statistics"},
    }
    made = office.submit("mpic-opt", inputs=sources)
    assert sorted(path.rsplit("/", 1)[1] for path in made.files.values()) == [
        "a.tif",
        "statistics.json",
    ]
    sources["reference"]["href"] = f"job:{job.id}/displacement_east"
    sources["secondary"]["href"] = "job:00000000-0000-0000-0000-000000000000/x"
    answer = office.client.post("/processes/mpic-opt/execution", json={"inputs": sources})
    assert answer.status_code == 400
    problems = {problem["pointer"]: problem for problem in answer.json["problems"]}
    assert key in problems["/inputs/reference/href"]["allowed"]
    assert "/inputs/secondary/href" in problems


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_results_are_only_read(client: FlaskClient, method: str) -> None:
    assert client.open("/jobs/x/results", method=method).status_code == 405


def test_a_value_that_looks_like_a_page_is_none(office: Any) -> None:
    text = "<html><script>alert(1)</script></html>"
    job = office.echoed(inputs={"stringInput": text}, outputs={"stringInput": {}}, response="raw")
    for path in (f"/jobs/{job.id}/results", f"/jobs/{job.id}/results/stringInput"):
        answer = office.client.get(path)
        assert (answer.mimetype, answer.text) == ("text/plain", text)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_bytes_are_base64_in_documents_and_themselves_in_raw_form(office: Any) -> None:
    content = b"II*\x00\x00\xff\xfe\r\n--"
    text = base64.b64encode(content).decode()
    inputs = {"stringInput": "s", "imageInput": {"value": text, "mediaType": "image/tiff"}}
    asked: dict[str, Any] = {"imageInput": {"format": {"mediaType": "image/tiff"}}}
    document = office.echoed(inputs=inputs, outputs=asked, response="document")
    path = f"/jobs/{document.id}/results"
    assert office.client.get(path).json == {"imageInput": text}
    raw = office.echoed(inputs=inputs, outputs=asked, response="raw")
    for address in (f"{path}/imageInput", f"/jobs/{raw.id}/results"):
        answer = office.client.get(address)
        assert (answer.headers["Content-Type"], answer.data) == ("image/tiff", content)
    both = office.echoed(inputs=inputs, response="raw")
    answer = office.client.get(f"/jobs/{both.id}/results")
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.data, policy=email.policy.HTTP)
    parts = {part["Content-ID"]: part for part in message.iter_parts()}
    assert parts["<imageInput>"].get_content_type() == "image/tiff"
    assert parts["<imageInput>"].get_payload(decode=True) == content
    refused = {"inputs": inputs, "outputs": {"imageInput": {"format": {"mediaType": "text/plain"}}}}
    answer = office.client.post("/processes/echo/execution", json=refused)
    assert (answer.status_code, answer.json["code"]) == (400, "refused")
