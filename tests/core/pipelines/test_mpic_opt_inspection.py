"""What MPIC-OPT tells of a request before the work."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from affine import Affine

from core.errors import InputError, OutOfRange, Refused


def test_inspection_tells_images_pairs_and_the_effort(
    write: Callable[..., Path],
    look: Callable[..., dict[str, Any]],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    told = look(reference=source(write("a", first)), secondary=source(write("b", last)))
    assert told["images"][0]["columns"] == first.shape[1]
    assert told["pairs"][0]["rows"] == first.shape[0]
    assert told["estimate"]["disk_bytes"] > told["estimate"]["result_bytes"] > 0
    json.dumps(told, allow_nan=False)


def test_a_window_that_is_even_names_the_two_nearest(
    write: Callable[..., Path],
    look: Callable[..., dict[str, Any]],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, _ = moved_pair()
    path = source(write("a", first))
    with pytest.raises(Refused, match=r"13.*15"):
        look(reference=path, secondary=path, window=14)


def test_a_search_of_too_many_pixels_is_refused_with_the_limit(
    write: Callable[..., Path],
    look: Callable[..., dict[str, Any]],
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    fine = Affine(0.5, 0, 400000, 0, -0.5, 4700000)
    sources = {
        "reference": source(write("a", first, fine)),
        "secondary": source(write("b", last, fine)),
    }
    with pytest.raises(OutOfRange) as refused:
        look(preset="glacier", **sources)
    assert refused.value.allowed == "at most 128 m for these pixels"
    assert look(preset="landslide", **sources)["estimate"]["memory_bytes"] <= 1536 << 20


def test_a_bad_mask_is_told_before_the_work(
    write: Callable[..., Path],
    look: Callable[..., dict[str, Any]],
    tmp_path: Path,
    moved_pair: Callable[..., Any],
    source: Callable[..., Any],
) -> None:
    first, last = moved_pair()
    bad = tmp_path / "bad.geojson"
    bad.write_text("{")
    with pytest.raises(InputError) as refused:
        look(
            reference=source(write("a", first)),
            secondary=source(write("b", last)),
            mask=source(bad),
        )
    assert refused.value.pointer == "/inputs/mask"
