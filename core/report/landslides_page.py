"""The report of a landslide inventory as a page: HTML without scripts, pictures beside it."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType

from core.report.landslides import Counts, LandslideReport, Learning, Point
from core.report.page import amount, decimals, document, gallery, listed, table

SIDE = 260
"""Of the drawings of curves, pixels."""

FRAME = 34
"""Of these, left and below for the scales."""


def page(
    report: LandslideReport,
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
        *_inventory(report.inventory),
        *_learning(report.learning),
        *_decision(report),
        *listed("Polygons", report.polygons),
        *_images(report),
        *_ground(report),
        *_features(report),
    ]
    return document("Landslides: report", parts)


def _summary(report: LandslideReport) -> Iterator[str]:
    yield "<h1>Landslides: report</h1>"
    found = report.inventory
    sentences = [
        (
            f"{amount(found.landslides, 'landslide')} on {found.area_m2 / 1e6:.3g} km², "
            f"{found.share:.2%} of the ground that could be seen ({report.known:.1%} of the map of "
            f"{report.columns} x {report.rows} pixels of {report.pixel_m:g} m)."
        ),
        f"Known from: {report.mode}.",
    ]
    if report.learning is not None and report.learning.f1 is not None:
        sentences.append(
            f"On training areas that were held out, {report.learning.precision:.0%} of the called "
            f"pixels were landslides and {report.learning.recall:.0%} of the landslides' pixels "
            f"were called (F1 {report.learning.f1:.2f}, 95 % interval "
            f"{_interval(report.learning.f1_low, report.learning.f1_high)}). These scores hold for "
            f"the mapped areas, where {report.learning.prevalence:.1%} slid; in the scene it is "
            f"{report.decision.prevalence:.1%}."
        )
    yield f'<p class="summary">{escape(" ".join(sentences))}</p>'


def _interval(low: float | None, high: float | None) -> str:
    return f"{decimals(low) or '?'} to {decimals(high) or '?'}"


def _inventory(found: Counts) -> Iterator[str]:
    yield "<h2>Inventory</h2>"
    rows = [
        ("Landslides", f"{found.landslides}"),
        ("Area, km²", f"{found.area_m2 / 1e6:.4g}"),
        ("Median area, m²", _plain(found.median_m2)),
        ("Largest area, m²", _plain(found.largest_m2)),
        ("Parted at channels", f"{found.split}"),
        ("Beside a cloud", f"{found.clouded}"),
    ]
    yield from table(("", ""), rows)
    if found.law is None:
        yield f"<p>{escape(found.law_note)}</p>"
        return
    law = found.law
    yield "<p>" + escape(
        f"Areas: from {law.complete_m2:.0f} m² on, where the inventory is taken for complete, the "
        f"density of areas falls as the area to the power of -{law.exponent:.2f} (95 % interval "
        f"{_interval(law.exponent_low, law.exponent_high)}), fitted by maximum likelihood to "
        f"{law.count} landslides; the most frequent area is {law.rollover_m2:.0f} m². "
        + ("" if law.holds else "The landslides refute this law: take it for a description only.")
    ) + "</p>"  # fmt: skip


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _learning(learned: Learning | None) -> Iterator[str]:
    if learned is None:
        return
    yield "<h2>What was learned</h2>"
    yield "<p>" + escape(
        f"A {learned.classifier} of {learned.trees} trees learned from {learned.pixels} pixels, "
        f"{learned.landslide} of them of landslides, in {amount(learned.areas, 'area')}. "
        f"{learned.note}"
    ) + "</p>"  # fmt: skip
    head = ("Fold", "Areas", "Pixels", "Landslide", "Precision", "Recall", "F1", "Mean precision")
    yield from table(
        head,
        [
            (
                f"{fold.number}",
                f"{fold.areas}",
                f"{fold.pixels}",
                f"{fold.landslide}",
                decimals(fold.precision),
                decimals(fold.recall),
                decimals(fold.f1),
                decimals(fold.average_precision),
            )
            for fold in learned.folds
        ],
    )
    yield '<div class="pictures">'
    yield from _drawn(
        "Precision by recall", [(p.recall, p.precision) for p in learned.curve], "recall"
    )
    yield from _drawn(
        "Recall by alarms (ROC)", [(p.alarmed, p.recall) for p in learned.curve], "alarms"
    )
    told = [(one.told, one.true) for one in learned.calibration]
    yield from _drawn("True by told probability", told, "told", diagonal=True)
    yield "</div>"
    yield from table(
        ("Threshold", "Precision", "Recall"),
        [
            (f"{p.level:.3f}", decimals(p.precision), decimals(p.recall))
            for p in _thinned(learned.curve)
        ],
    )


def _thinned(curve: Sequence[Point]) -> list[Point]:
    """About ten thresholds, by recall."""
    wanted = [n / 10 for n in range(1, 10)]
    found: list[Point] = []
    for recall in wanted:
        near = min(
            (p for p in curve if p.recall is not None),
            key=lambda p, recall=recall: abs((p.recall or 0) - recall),  # type: ignore[misc]
            default=None,
        )
        if near is not None and near not in found:
            found.append(near)
    return found


def _drawn(
    title: str,
    points: Sequence[tuple[float | None, float | None]],
    across: str,
    *,
    diagonal: bool = False,
) -> Iterator[str]:
    """A line in the unit square."""
    known = [(x, y) for x, y in points if x is not None and y is not None]
    if not known:
        return
    inner = SIDE - FRAME
    path = " ".join(f"{FRAME + inner * x:.1f},{inner * (1 - y):.1f}" for x, y in known)
    name = escape(title, quote=True)
    even = (
        f'<line x1="{FRAME}" y1="{inner}" x2="{SIDE}" y2="0" stroke="#999" stroke-dasharray="4"/>'
        if diagonal
        else ""
    )
    marks = "".join(
        f'<text x="{FRAME + inner * part:.0f}" y="{inner + 14}" font-size="11" '
        f'text-anchor="{anchor}">{part:g}</text>'
        f'<text x="{FRAME - 4}" y="{inner * (1 - part) + drop:.0f}" font-size="11" '
        f'text-anchor="end">{part:g}</text>'
        for part, anchor, drop in ((0, "start", 0), (0.5, "middle", 4), (1, "end", 10))
    )
    yield (
        f'<figure><svg viewBox="0 0 {SIDE} {SIDE}" role="img" aria-label="{name}">'
        f'<rect x="{FRAME}" y="0" width="{inner}" height="{inner}" fill="none" stroke="#999"/>'
        f'{even}<polyline points="{path}" fill="none" stroke="#0b2545" stroke-width="2"/>{marks}'
        f'<text x="{FRAME + inner / 2:.0f}" y="{inner + 28}" font-size="12" '
        f'text-anchor="middle">{escape(across)}</text></svg>'
        f"<figcaption>{name}</figcaption></figure>"
    )


def _decision(report: LandslideReport) -> Iterator[str]:
    made = report.decision
    how = "estimated from the scene" if made.estimated else "as given"
    yield "<h2>Decision</h2><p>" + escape(
        f"A pixel counts as landslide from a probability of {made.level:.3f} on. {made.rule} "
        f"Probabilities hold for a scene of which {made.prevalence:.2%} slid ({how}). Another "
        "threshold can be had in seconds: send the output probability back as the input of that "
        "name."
    ) + "</p>"  # fmt: skip


def _images(report: LandslideReport) -> Iterator[str]:
    yield "<h2>Images</h2>"
    yield from table(
        ("Date", "Name", "Day", "Bands", "Known from"),
        [
            (one.date, one.name, one.day or "", ", ".join(one.bands), one.told)
            for one in report.images
        ],
    )
    moved = report.registration
    if moved is not None:
        what = "it was moved by that" if moved.corrected else "it was left where it is"
        yield "<p>" + escape(
            f"The image before lay {moved.rows:+.2f} rows and {moved.cols:+.2f} columns off the "
            f"image after ({moved.matches} matches); {what}."
        ) + "</p>"  # fmt: skip
    if report.relations:
        yield from table(
            ("Band", "Gain", "Offset", "Noise"),
            [
                (one.band, f"{one.gain:.3f}", f"{one.offset:.1f}", f"{one.noise:.1f}")
                for one in report.relations
            ],
        )


def _ground(report: LandslideReport) -> Iterator[str]:
    if report.reasons:
        yield "<h2>What hides the ground</h2>"
        yield from table(
            ("Reason", "Share"),
            [(name.replace("_", " "), f"{share:.1%}") for name, share in report.reasons.items()],
        )


def _features(report: LandslideReport) -> Iterator[str]:
    yield f"<h2>Features</h2><p>{escape(', '.join(report.features))}</p>"
    if report.left_out:
        lost = "; ".join(f"{name} ({lack} missing)" for name, lack in report.left_out.items())
        yield f"<p>Left out: {escape(lost)}.</p>"
