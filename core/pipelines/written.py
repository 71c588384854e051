"""Files as they are written: what rasters hold, how far several are, and texts."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from core.declare import File, RasterProduct
from core.progress import Progress
from core.report.statistics import Summary
from core.workspace import Context

LEAST_RANGE = 1e-6
"""Range of colours where all values are equal."""


@dataclass(frozen=True)
class Written:
    """A raster that was written, and what its values are like.

    Parameters
    ----------
    output
        Id of the output.
    file
        Where it is.
    summary
        Of its values; None of bits.
    shares
        Share of the pixels per reason, of the raster of reasons.
    """

    output: str
    file: File
    summary: Summary | None
    shares: Mapping[str, float]

    def colour_range(self, product: RasterProduct) -> tuple[float, float]:
        """As declared, else from the 2nd to the 98th percentile, about 0 where signs matter."""
        bottom = (self.summary.p2 if self.summary else None) or 0.0
        top = (self.summary.p98 if self.summary else None) or 0.0
        if product.low is None and product.high is None:
            reach = max(abs(bottom), abs(top), LEAST_RANGE)
            return -reach, reach
        low = bottom if product.low is None else product.low
        return low, max(top, low + LEAST_RANGE) if product.high is None else product.high


class Meter:
    """Sums up how far the rasters are that are written at the same time."""

    def __init__(self, names: Sequence[str], progress: Progress) -> None:
        self._done = dict.fromkeys(names, 0.0)
        self._progress = progress
        self._lock = Lock()

    def advance(self, name: str, done: float) -> None:
        """Raster `name` is `done` (0 to 1); called from the thread that writes it."""
        with self._lock:
            self._done[name] = max(self._done[name], done)
            total = sum(self._done.values()) / len(self._done)
            begun = sum(part > 0 for part in self._done.values())
            message = f"writing rasters, {begun} of {len(self._done)} begun, {total:.1%} written"
            self._progress.report(total, message)


def publish_text(context: Context, name: str, text: str, media_type: str, title: str = "") -> File:
    """Publish a text as a file of the results; its name is its title by default."""

    def produce(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return context.workspace.publish(name, produce, type=media_type, title=title or name)


def publish_json(
    context: Context, name: str, document: object, media_type: str = "application/json"
) -> File:
    """Publish a document as JSON; what JSON cannot say is an error."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return publish_text(context, name, text, media_type)
