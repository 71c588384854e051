"""Inspections: whatever a file does to its reader, the one who asked gets an answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.declare import SourcePolicy
from core.errors import BadRaster, Internal, LimitReached, Refused
from core.job import inspect, run

Order = Callable[..., Path]


@pytest.fixture
def source(tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """A file with one word that the trial takes to heart, as an input."""

    def written(word: str) -> dict[str, Any]:
        path = tmp_path / "source.txt"
        path.write_text(word)
        return {"href": path.as_uri()}

    return written


@pytest.fixture
def look(order: Order, source: Any, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    order("INSPECTED")

    def looked(word: str, **settings: Any) -> dict[str, Any]:
        document = {"inputs": {"source": source(word)}}
        policy = SourcePolicy(roots=("/",))
        name = "trial_services:INSPECTED"
        return inspect("trial", document, policy, {}, pipeline=name, scratch=tmp_path, **settings)

    return looked


def test_an_inspection_reports_what_it_found_and_leaves_nothing(look: Any, tmp_path: Path) -> None:
    assert look("hello") == {"size": 5}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["job", "source.txt"]


def test_a_service_without_an_inspection_has_nothing_to_say(order: Order) -> None:
    order("TRIAL")
    document: dict[str, Any] = {"inputs": {}}
    found = inspect("trial", document, SourcePolicy(), {}, pipeline="trial_services:TRIAL")
    assert found == {}


def test_a_bad_source_is_refused_with_its_pointer(look: Any) -> None:
    with pytest.raises(Refused) as caught:
        look("bad")
    assert caught.value.problems[0].code == "bad-raster"
    assert caught.value.problems[0].pointer == "/inputs/source"


def test_a_reader_that_crashes_condemns_the_file(look: Any) -> None:
    with pytest.raises(BadRaster):
        look("crash")


def test_a_reader_that_hangs_is_ended(look: Any) -> None:
    with pytest.raises(LimitReached, match="longer than 2 s"):
        look("hang", timeout_s=2.0)


def test_a_reader_that_swells_is_ended(look: Any) -> None:
    with pytest.raises(LimitReached, match="memory"):
        look("swell")


def test_a_fault_of_ours_has_an_error_id(look: Any) -> None:
    with pytest.raises(Internal) as caught:
        look("break")
    assert str(caught.value.value) in caught.value.message


def test_a_job_begins_with_the_inspection(order: Order, source: Any) -> None:
    directory = order("INSPECTED", source=source("bad"))
    assert run(directory) == 2
    result = json.loads((directory / "result.json").read_text())
    assert result["refused"] is True
    assert result["problems"][0]["message"] == "The source is bad."


def test_a_job_that_passes_its_inspection_runs(order: Order, source: Any) -> None:
    directory = order("INSPECTED", source=source("good"))
    assert run(directory) == 0
    assert "inspected" in (directory / "log.txt").read_text()
