"""What was chosen or found on the way, in words: it goes into statistics.json and README.txt."""

from collections.abc import Iterator

from core.io.rasters import mask_notes
from core.matching.coregistration import Shift
from core.pipelines.mpic_opt.corrections import Corrections
from core.pipelines.mpic_opt.declaration import CloudMask
from core.pipelines.mpic_opt.filters import Marks
from core.pipelines.mpic_opt.mixing import mixing_warnings

LITTLE = 0.01
"""Share of pixels with a value below which the user is told so."""


def notes_of(marks: Marks, shift: Shift, corrections: Corrections, left: float) -> tuple[str, ...]:
    """The notes of one pair."""
    warnings = dict.fromkeys(w for scene in marks.scenes for w in scene.warnings)
    return (
        *([f"Only {left:.2%} of the pixels could be measured."] if left < LITTLE else []),
        *warnings,
        *mixing_warnings(*marks.scenes),
        *_grids(marks),
        *_search(marks, shift),
        *_clouds(marks),
        *_mask(marks),
        *corrections.notes,
    )


def _grids(marks: Marks) -> Iterator[str]:
    if marks.lattice.fraction != (0.0, 0.0):
        rows, cols = marks.lattice.fraction
        yield (
            f"The two lattices are {rows:.3f} rows and {cols:.3f} columns apart; this was added to "
            "the result, nothing was resampled."
        )


def _search(marks: Marks, shift: Shift) -> Iterator[str]:
    if not marks.parameters.coregistration:
        return
    if shift.found:
        yield f"The search began at a shift of {shift.rows} rows and {shift.cols} columns."
    else:
        yield "Co-registration found no clear common shift; the search began at 0."


def _mask(marks: Marks) -> tuple[str, ...]:
    if marks.mask is None:
        return ()
    return mask_notes(marks.mask, marks.lattice.reference.crs, pointer="/inputs/mask")


def _clouds(marks: Marks) -> Iterator[str]:
    wanted = marks.parameters.cloud_mask
    layers = [f"{s.name}: {s.cloud.text}" for s in marks.scenes if s.cloud is not None]
    if wanted is CloudMask.AUTO and layers:
        yield f"Cloud mask: {'; '.join(layers)}, where the score is below 0.7."
    elif wanted is CloudMask.AUTO:
        yield "Cloud mask: the images have no cloud layer; score and forward-backward difference."
    elif wanted is CloudMask.PRODUCT:
        yield f"Cloud mask: {'; '.join(layers)}."
