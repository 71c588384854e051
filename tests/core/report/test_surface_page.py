"""The report of a surface model as a page: whole, self-contained, and safe whatever names hold."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from pydantic import ValidationError

from core.report.pictures import data_address
from core.report.statistics import Summary
from core.report.surface import (
    Adjustment,
    Agreement,
    ControlRecord,
    Coverage,
    ElevationDifference,
    ErrorFigures,
    GridRecord,
    ImageAdjustment,
    ImageRecord,
    PairAdjustment,
    PairRecord,
    ReasonShare,
    SurfaceReport,
    UnknownDirection,
)
from core.report.surface_page import page

HOSTILE = "<script>alert(1)</script>\"' onload=x & <img src=http://evil.example/x>"
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Checks that elements close in order; gathers links and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.pictures: list[dict[str, str | None]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def report(name: str = "PHR1A_2020", *, bare: bool = False) -> SurfaceReport:
    direction = UnknownDirection(text=name, east_m=3, north_m=1, up_m=0.2, tilt_m_per_km=0.1)
    adjustment = Adjustment(
        tie_points=1200,
        rejected=33,
        images=tuple(
            ImageAdjustment(
                name=name,
                row_px=1.25,
                col_px=-0.5,
                row_sigma_px=0.1,
                col_sigma_px=2.0,
                edge_px=0.0,
                points=1200,
                before_px=1.41,
                after_px=0.12,
            )
            for _ in range(2)
        ),
        pairs=(
            PairAdjustment(
                first=name,
                second=name,
                points=1200,
                before_px=1.4,
                after_px=0.01,
                spread_px=0.11,
                height_before_m=4.8,
                height_after_m=None,
            ),
        ),
        control=(
            ControlRecord(
                name=name,
                check=True,
                east_m=0.4,
                north_m=-0.2,
                up_m=None,
                before_px=2.0,
                after_px=0.2,
            ),
        ),
        unknown=(direction,),
        horizontal_sigma_m=5.0,
        vertical_sigma_m=3.0,
        tilt_sigma_m_per_km=0.2,
    )
    heights = Summary(unit="m", count=900, share=0.9, median=120.0, minimum=80.0, maximum=410.0)
    some = ErrorFigures(median_m=0.31, p90_m=0.92)
    none = ErrorFigures(median_m=None, p90_m=None)
    return SurfaceReport(
        process="dsm-opt",
        version="1.0.0",
        images=tuple(
            ImageRecord(
                number=number,
                name=name,
                sensor=name,
                time="2020-05-01T10:00:00+00:00",
                gsd_m=0.5,
                azimuth_deg=180,
                incidence_deg=12,
                source=name,
            )
            for number in (1, 2, 3)
        ),
        pairs=tuple(
            PairRecord(key=key, convergence_deg=20.1, base_to_height=0.35, days=None)
            for key in ("1-2", "1-3", "2-3")
        ),
        grid=GridRecord(
            crs="WGS 84 / UTM zone 31N",
            resolution_m=1,
            rows=10,
            columns=100,
            heights_above="the WGS 84 ellipsoid",
            transformation="",
        ),
        adjustment=None if bare else adjustment,
        layers={} if bare else {"dsm": heights},
        coverage=Coverage(
            wanted=1000,
            measured=0 if bare else 900,
            share=0 if bare else 0.9,
            reasons=(ReasonShare(reason="no_texture", text="too little texture", share=0.1),),
            contributing_pairs={} if bare else {1: 0.25, 3: 0.75},
        ),
        dsm_error=none if bare else some,
        intersection_error=none if bare else some,
        agreement=() if bare else (Agreement(pair="1-2", cells=9, median_m=0.02, nmad_m=0.4),),
        elevation=None
        if bare
        else ElevationDifference(cells=800, median_m=1.5, nmad_m=2.5, p5_m=-3, p95_m=9),
        notes=() if bare else (name,),
    )


def test_the_page_closes_what_it_opens_and_needs_nothing_else() -> None:
    for one in (report(), report(bare=True)):
        found = Reader(page(one, [("quicklook/dsm.png", "Surface model")]))
        assert found.open == []
        assert found.tags.count("h1") == 1
        assert not {"script", "link", "iframe", "object", "form"} & set(found.tags)
        assert set(found.links) == {"quicklook/dsm.png"}
        assert found.pictures[0]["alt"] == "Surface model"


def test_the_figures_stand_on_the_page() -> None:
    words = Reader(page(report(), [])).words
    for told in (
        "90.0% of the wanted cells",
        "0.31 m (one sigma), nine of ten by less than 0.92 m",
        "5.0 m horizontally and 3.0 m vertically",
        "25.0% of the heights come from one pair alone",
        "too little texture",
        "+1.25",
        "median +1.50 m",
        "leaves no trace there",
        "No ground control was given",
        "1200 points",
    ):
        assert told in words


def test_a_model_without_heights_says_so() -> None:
    words = Reader(page(report(bare=True), [])).words
    assert "0 of 1000 wanted cells have a height" in words
    assert "no refinement was asked for" in words
    assert "None" not in words
    assert "one pair alone" not in words


def test_no_name_becomes_markup() -> None:
    text = page(report(HOSTILE), [(f'quicklook/a"b?c#{HOSTILE}.png', HOSTILE)])
    found = Reader(text)
    assert found.open == []
    assert "script" not in found.tags
    assert found.tags.count("img") == 1
    assert "onload" not in found.attributes
    assert found.words.count(HOSTILE) >= 6
    assert found.pictures[0]["alt"] == HOSTILE
    assert all(link.startswith("quicklook/a%22b%3Fc%23") for link in found.links)


def test_the_schema_is_closed_and_does_not_change() -> None:
    one = report()
    assert SurfaceReport.model_validate_json(one.model_dump_json()) == one
    with pytest.raises(ValidationError):
        one.version = "2"
    with pytest.raises(ValidationError):
        SurfaceReport.model_validate({**one.model_dump(), "more": 1})


def test_a_page_that_was_downloaded_alone_shows_small_pictures(tmp_path: Path) -> None:
    path = tmp_path / "dsm.png"
    Image.new("RGB", (900, 600), (10, 120, 200)).save(path)
    small = data_address(path)
    kind, _, data = small.partition(",")
    assert kind == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (420, 280)
    shown = [("quicklook/dsm.png", "Surface model"), ("quicklook/score.png", "Score")]
    read = Reader(page(report(), shown, {"quicklook/dsm.png": small}))
    assert [one["src"] for one in read.pictures] == [small, "quicklook/score.png"]
    assert {path for path, _ in shown} <= set(read.links)
