"""Conditional and range requests, after RFC 9110."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.http import http_date

from server.jobs.models import Job

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)
ETAG = "<the file's>"
"""Stands for the validator of the file that is asked for."""


@pytest.fixture
def ask(office: Any, displaced: Callable[..., Job]) -> Callable[..., Any]:
    """Asks for a file of results, with these headers."""
    job = displaced(CONTENT)
    path = f"/jobs/{job.id}/results/displacement_east/20160529_20160608"
    etag = office.client.head(path).headers["ETag"]
    assert job.finished is not None
    made = http_date(job.finished)

    def answer(headers: dict[str, str], method: str = "GET") -> Any:
        given = {
            name: value.replace(ETAG, etag).replace("<made>", made)
            for name, value in headers.items()
        }
        return office.client.open(path, method=method, headers=given)

    return answer


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("Bytes=5-", (5, SIZE)),
        ("bytes=-7", (SIZE - 7, SIZE)),
        ("bytes=-99999", (0, SIZE)),
        ("bytes=10-99999", (10, SIZE)),
        # Other units, several ranges and what is no range are ignored.
        ("lines=0-9", None),
        ("bytes=0-1,5-6", None),
        ("bytes=9-3", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes", None),
        ("bytes=" + "9" * 400 + "-", None),
    ],
)
def test_a_range_that_can_be_read_is_sent_and_any_other_is_ignored(
    ask: Callable[..., Any], value: str, expected: tuple[int, int] | None
) -> None:
    answer = ask({"Range": value})
    if expected is None:
        assert (answer.status_code, answer.data) == (200, CONTENT)
        assert "Content-Range" not in answer.headers
        return
    first, end = expected
    assert (answer.status_code, answer.data) == (206, CONTENT[first:end])
    assert answer.headers["Content-Range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert answer.content_length == end - first


@pytest.mark.parametrize("value", [f"bytes={SIZE}-", "bytes=-0", f"bytes={SIZE}-{SIZE + 9}"])
def test_a_range_behind_the_end_cannot_be_had(ask: Callable[..., Any], value: str) -> None:
    answer = ask({"Range": value})
    assert (answer.status_code, answer.json["code"]) == (416, "range-not-satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    ("validator", "status"),
    [
        (ETAG, 206),
        ("<made>", 206),
        (f"W/{ETAG}", 200),
        ('"other"', 200),
        ("Fri, 29 Feb 2008 00:00:00 GMT", 200),
        ("nonsense", 200),
    ],
)
def test_only_a_strong_validator_lets_a_download_go_on(
    ask: Callable[..., Any], validator: str, status: int
) -> None:
    assert ask({"Range": "bytes=0-9", "If-Range": validator}).status_code == status


@pytest.mark.parametrize("value", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
@pytest.mark.parametrize("more", [{}, {"Range": "bytes=0-9"}, {"Range": f"bytes={SIZE}-"}])
def test_a_copy_that_is_good_is_not_sent_again(
    ask: Callable[..., Any], value: str, more: dict[str, str]
) -> None:
    for method in ("GET", "HEAD"):
        answer = ask({"If-None-Match": value, **more}, method)
        assert (answer.status_code, answer.data) == (304, b"")
        assert {"ETag", "Cache-Control"} <= set(answer.headers.keys())
        assert "Content-Type" not in answer.headers


def test_dates_count_where_there_are_no_etags(ask: Callable[..., Any]) -> None:
    assert ask({"If-Modified-Since": "<made>"}).status_code == 304
    assert ask({"If-Modified-Since": "<made>", "If-None-Match": '"x"'}).status_code == 200
    assert ask({"If-Modified-Since": "Fri, 29 Feb 2008 00:00:00 GMT"}).status_code == 200
    assert ask({"If-Unmodified-Since": "<made>"}).status_code == 200
    assert "Last-Modified" in ask({"If-Modified-Since": "nonsense"}).headers


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": '"other"'},
        {"If-Match": f"W/{ETAG}"},
        {"If-Match": '"other"', "Range": "bytes=0-9"},
        {"If-Unmodified-Since": "Fri, 29 Feb 2008 00:00:00 GMT"},
    ],
)
def test_another_version_than_the_one_that_is_wanted_is_a_problem(
    ask: Callable[..., Any], headers: dict[str, str]
) -> None:
    answer = ask(headers)
    assert (answer.status_code, answer.json["code"]) == (412, "precondition-failed")
    assert ask({"If-Match": ETAG}).data == CONTENT
    assert ask({"If-Match": "*"}).status_code == 200


def test_the_head_of_a_file_is_that_of_the_whole(ask: Callable[..., Any]) -> None:
    answer = ask({"Range": "bytes=0-9"}, "HEAD")
    assert (answer.status_code, answer.content_length, answer.data) == (200, SIZE, b"")
    assert ask({"Range": f"bytes={SIZE}-"}, "HEAD").status_code == 200
