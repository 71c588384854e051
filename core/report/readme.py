"""README.txt of results: what each file is, its unit, sign and nodata, caveats, citation."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from math import isnan

from core.declare import File, Outputs, Pipeline, RasterProduct
from core.reasons import TEXT

WIDTH = 88

SOFTWARE = (
    "OptiGround: open services for ground displacement, surface models and landslides from "
    "optical images (Apache-2.0)."
)


def text(
    pipeline: Pipeline,
    outputs: Outputs,
    *,
    about: Sequence[str],
    caveats: Sequence[str],
    citations: Sequence[str] = (),
    products: Mapping[str, RasterProduct] | None = None,
) -> str:
    """The README.txt of one job.

    Parameters
    ----------
    outputs
        What the job made; the README itself may be missing in it.
    about
        Lines on this job: scenes, dates, pairs, area, what was chosen automatically.
    caveats
        What a user of the results should know, one sentence or more each.
    citations
        What to cite besides the software.
    products
        Rasters, by output, that this job made in another unit than the declaration says.
    """
    sections = [
        _heading(f"{pipeline.title} ({pipeline.id} {pipeline.version})", "=")
        + [_wrapped(pipeline.text), ""]
        + [_item(line) for line in about],
        _heading("Files", "-") + list(_files(pipeline, outputs, products or {})),
        _heading("Before you use them", "-") + [_item(caveat) for caveat in caveats],
        _heading("Please cite", "-") + [_item(line) for line in (SOFTWARE, *citations)],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _heading(title: str, line: str) -> list[str]:
    return [title, line * len(title)]


def _wrapped(paragraph: str, indent: str = "") -> str:
    return textwrap.fill(paragraph, WIDTH, initial_indent=indent, subsequent_indent=indent)


def _item(paragraph: str) -> str:
    return textwrap.fill(paragraph, WIDTH, initial_indent="* ", subsequent_indent="  ")


def _files(
    pipeline: Pipeline, outputs: Outputs, products: Mapping[str, RasterProduct]
) -> Iterable[str]:
    for output in pipeline.output_list:
        files = _made(getattr(outputs, output.id, None))
        if not files:
            continue
        yield f"{output.id}: {output.title}"
        yield _wrapped(output.text, "    ")
        product = products.get(output.id, output.product)
        if isinstance(product, RasterProduct):
            yield _wrapped(_pixels(product), "    ")
        if output.id == "reasons":
            yield from _bits()
        yield from (f"    - {file.path}" for file in files)
        yield ""


def _made(value: object) -> tuple[File, ...]:
    if isinstance(value, File):
        return (value,)
    return value if isinstance(value, tuple) else ()


def _pixels(product: RasterProduct) -> str:
    unit = {"": "", "1": "Pure number", "{pixel}": "Unit: pixels"}.get(
        product.unit, f"Unit: {product.unit}"
    )
    nodata = "NaN" if isnan(product.nodata) else f"{product.nodata:g}"
    facts = [unit, product.sign.rstrip("."), f"{product.dtype}, nodata {nodata}"]
    return ". ".join(fact[0].upper() + fact[1:] for fact in facts if fact) + "."


def _bits() -> Iterable[str]:
    for reason, meaning in TEXT.items():
        yield f"    {int(reason):>5}  {meaning}"
