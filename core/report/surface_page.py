"""The accuracy report of a surface model as a page: HTML without scripts, pictures beside it."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType

from core.report.page import amount, decimals, document, gallery, listed, table
from core.report.surface import Adjustment, SurfaceReport


def page(
    report: SurfaceReport,
    pictures: Sequence[tuple[str, str]],
    previews: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The page.

    Parameters
    ----------
    pictures, previews
        As of :func:`core.report.page.gallery`.
    """
    parts = [
        *_summary(report),
        *listed("Notes", report.notes),
        *gallery(pictures, previews),
        *_certainty(report),
        *_distrust(report),
        *_agreement(report),
        *_coverage(report),
        *_adjustment(report.adjustment),
        *_images(report),
    ]
    return document("Surface model: report", parts)


def _summary(report: SurfaceReport) -> Iterator[str]:
    yield "<h1>Surface model: report</h1>"
    heights, error, coverage = report.layers.get("dsm"), report.dsm_error, report.coverage
    grid = report.grid
    made = (
        f"Made from {len(report.images)} images in {amount(len(report.pairs), 'pair')}, on cells "
        f"of {grid.resolution_m:g} m ({grid.columns} x {grid.rows}, {grid.crs}). Heights are "
        f"metres above {grid.heights_above}."
    )
    sentences = [made]
    if heights is not None and heights.median is not None:
        sentences.append(
            f"{coverage.share:.1%} of the wanted cells have a height, from "
            f"{heights.minimum:.1f} to {heights.maximum:.1f} m, half of them below "
            f"{heights.median:.1f} m."
        )
    if error.median_m is not None:
        sentences.append(
            f"A typical height is uncertain by {error.median_m:.2f} m (one sigma), nine of ten by "
            f"less than {error.p90_m:.2f} m."
        )
    if report.adjustment is not None:
        sentences.append(
            "The model as a whole may be off by "
            f"{report.adjustment.horizontal_sigma_m:.1f} m horizontally and "
            f"{report.adjustment.vertical_sigma_m:.1f} m vertically (one sigma)."
        )
    yield f'<p class="summary">{escape(" ".join(sentences))}</p>'


def _images(report: SurfaceReport) -> Iterator[str]:
    yield "<h2>Images and pairs</h2>"
    yield from table(
        ("no.", "image", "sensor", "time (UTC)", "pixel m", "azimuth deg", "incidence deg"),
        [
            (
                str(one.number),
                one.name,
                one.sensor,
                (one.time or "").replace("T", " ")[:19],
                f"{one.gsd_m:.2f}",
                f"{one.azimuth_deg:.0f}",
                f"{one.incidence_deg:.1f}",
            )
            for one in report.images
        ],
    )
    yield from table(
        ("pair", "convergence deg", "base to height", "days"),
        [
            (
                one.key,
                f"{one.convergence_deg:.1f}",
                f"{one.base_to_height:.3f}",
                "" if one.days is None else f"{one.days:.3g}",
            )
            for one in report.pairs
        ],
    )


def _adjustment(done: Adjustment | None) -> Iterator[str]:
    yield "<h2>Sensor models</h2>"
    if done is None:
        yield "<p>Used as delivered: no refinement was asked for.</p>"
        return
    told = f"{done.tie_points} points seen in several images were used, {done.rejected} rejected."
    yield f"<p>{escape(told)}</p>"
    yield from _moves(done)
    yield from _lines(done)
    yield from _control(done)
    if done.unknown:
        yield (
            "<p>No measurement determines the following; it was left as the images were delivered "
            "with it:</p><ul>"
        )
        yield from (f"<li>{escape(one.text)}</li>" for one in done.unknown)
        yield "</ul>"


def _moves(done: Adjustment) -> Iterator[str]:
    yield (
        "<p>Each image was moved by so many rows and columns; what is left uncertain of it stands "
        "beside. The residual is how far the points lie from where the models expect them.</p>"
    )
    yield from table(
        ("image", "rows px", "columns px", "uncertain px", "residual before px", "after px"),
        [
            (
                one.name,
                f"{one.row_px:+.2f}",
                f"{one.col_px:+.2f}",
                f"{max(one.row_sigma_px, one.col_sigma_px):.2f}",
                decimals(one.before_px),
                decimals(one.after_px),
            )
            for one in done.images
        ],
    )


def _lines(done: Adjustment) -> Iterator[str]:
    yield (
        "<p>Two images see a point on one line of sight each. Off the lines is by how much they "
        "miss; heights are those of the two alone less those of all images.</p>"
    )
    yield from table(
        (
            "images",
            "points",
            "off the lines before px",
            "after px",
            "spread px",
            "heights before m",
            "after m",
        ),
        [
            (
                f"{one.first}, {one.second}",
                str(one.points),
                decimals(one.before_px),
                decimals(one.after_px),
                decimals(one.spread_px),
                decimals(one.height_before_m),
                decimals(one.height_after_m),
            )
            for one in done.pairs
        ],
    )


def _control(done: Adjustment) -> Iterator[str]:
    if not done.control:
        return
    yield "<h3>Ground control and check points</h3>"
    yield from table(
        ("point", "use", "east m", "north m", "up m", "before px", "after px"),
        [
            (
                one.name,
                "check" if one.check else "control",
                decimals(one.east_m),
                decimals(one.north_m),
                decimals(one.up_m),
                decimals(one.before_px),
                decimals(one.after_px),
            )
            for one in done.control
        ],
    )


def _certainty(report: SurfaceReport) -> Iterator[str]:
    yield "<h2>How certain the heights are</h2>"
    yield from table(
        ("layer", "half of the cells below, m", "nine of ten below, m"),
        [
            (name, decimals(one.median_m), decimals(one.p90_m))
            for name, one in (
                ("dsm_error", report.dsm_error),
                ("intersection_error", report.intersection_error),
            )
        ],
    )
    found = report.elevation
    if found is not None:
        yield (
            f"<p>This model less the elevation model that was given: median {found.median_m:+.2f} "
            f"m, spread {found.nmad_m:.2f} m, nine of ten cells between {found.p5_m:+.1f} and "
            f"{found.p95_m:+.1f} m ({found.cells} cells). Trees, roofs and change between the two "
            "are part of it.</p>"
        )


def _distrust(report: SurfaceReport) -> Iterator[str]:
    yield "<h2>What to distrust</h2><ul>"
    yield (
        "<li>intersection_error sees only by how much lines of sight miss each other. A wrong "
        "match along the direction in which the images differ moves the height and leaves no "
        "trace there: a small value is no proof of a right height.</li>"
        "<li>dsm_error is the uncertainty of each height by itself. What all heights have in "
        "common is not in it; that is under Sensor models.</li>"
        "<li>Water, moving cars, and what changed between the images may match by chance; a low "
        "score and a high dsm_error are signs of it.</li>"
    )
    if report.adjustment is not None and not any(
        not one.check for one in report.adjustment.control
    ):
        yield (
            "<li>No ground control was given: the place and height of the model as a whole rest "
            "on what the images were delivered with.</li>"
        )
    if 1 in (shares := report.coverage.contributing_pairs) and len(report.pairs) > 1:
        yield f"<li>{shares[1]:.1%} of the heights come from one pair alone.</li>"
    yield "</ul>"


def _agreement(report: SurfaceReport) -> Iterator[str]:
    if not report.agreement:
        return
    yield "<h2>How the pairs agree</h2>"
    yield from table(
        ("pair", "less the others, median m", "spread m", "cells"),
        [
            (one.pair, f"{one.median_m:+.3f}", f"{one.nmad_m:.3f}", str(one.cells))
            for one in report.agreement
        ],
    )
    yield (
        "<p>Each pair's heights less the mean of the other pairs', in cells that several pairs "
        "see. A median away from 0 says that the images' models disagree.</p>"
    )


def _coverage(report: SurfaceReport) -> Iterator[str]:
    done = report.coverage
    yield "<h2>Coverage</h2>"
    yield f"<p>{done.measured} of {done.wanted} wanted cells have a height ({done.share:.1%}).</p>"
    if len(report.pairs) > 1 and done.contributing_pairs:
        yield from table(
            ("pairs behind a height", "cells"),
            [(str(n), f"{share:.1%}") for n, share in sorted(done.contributing_pairs.items())],
        )
    if done.reasons:
        yield from table(
            ("why cells have no height", "cells"),
            [(one.text, f"{one.share:.2%}") for one in done.reasons],
        )
        yield "<p>A cell may have several reasons.</p>"
