"""The tables of the manual: inputs and outputs of a service, and the errors."""

from collections.abc import Callable, Iterable
from http import HTTPStatus

from core.declare import FileProduct, Input, Output, Pipeline, RasterProduct, ValueProduct
from core.declare.words import allowed, number, unit
from core.errors import error_classes
from core.reasons import TEXT, Reason

_NOTE = "<!-- Written by openapi/build.py; change the declarations instead. -->"
_HOW_TO_READ = (
    "Ids are the names in requests and, with two dashes before them, on the command line. Inputs "
    "marked *advanced* have defaults that seldom need a change."
)
_ABOUT_ERRORS = (
    "Every error has a code that does not change. Over HTTP it stands in the member `code` of the "
    "answer, and in `problems`, where each thing that is wrong is listed with its place in the "
    "request (`pointer`), its `value` and what is `allowed`. On the command line the codes stand "
    "before the messages. A job that fails keeps the same list in its status."
)
_ABOUT_REASONS = (
    "Each pixel of the raster `reasons` is the sum of these numbers, 0 where a value was measured "
    "and kept. A displacement is missing exactly where its reason is not 0; only one that was "
    "filled keeps its reason."
)


def service(pipeline: Pipeline) -> str:
    """The page with all inputs and outputs of a service, in Markdown."""
    lines = [
        _NOTE,
        "",
        f"# {pipeline.id}: inputs and outputs",
        "",
        f"Version {pipeline.version}. {pipeline.text}",
        "",
        _HOW_TO_READ,
    ]
    lines += _presets(pipeline.input_list)
    lines += ["", "## Inputs"]
    for group in dict.fromkeys(entry.group for entry in pipeline.input_list):
        members = [entry for entry in pipeline.input_list if entry.group == group]
        lines += ["", f"### {group}", *_input_table(members), *_value_lists(members)]
    lines += ["", "## Outputs", *_output_table(pipeline.output_list)]
    return "\n".join(lines) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    titles = list(head)
    body = [[*titles], ["---"] * len(titles), *([*row] for row in rows)]
    return ["", *(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in body)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _presets(entries: tuple[Input, ...]) -> list[str]:
    """What each value of a deciding input decides, one table per such input."""
    lines: list[str] = []
    for decider in entries:
        decided = [e for e in entries if e.decided and e.decided.input == decider.id]
        if not decided:
            continue
        head = [decider.id, *(_with_unit(entry) for entry in decided)]
        rows = [
            [
                f"`{value.value}`",
                *(number(e.decided.values[value.value]) for e in decided if e.decided),
            ]
            for value in decider.values
        ]
        lines += ["", f"## What `{decider.id}` decides"]
        lines += ["", "A value that is given in the request overrides it.", *_table(head, rows)]
    return lines


def _with_unit(entry: Input) -> str:
    return f"{entry.id} ({unit(entry.unit)})" if unit(entry.unit) else entry.id


def _input_table(entries: Iterable[Input]) -> list[str]:
    head = ("Input", "What it takes", "Default", "What it does")
    return _table(head, (_input_row(entry) for entry in entries))


def _input_row(entry: Input) -> tuple[str, str, str, str]:
    advanced = " *advanced*" if entry.advanced else ""
    return f"`{entry.id}`{advanced}", _taken(entry), _default(entry), entry.text


def _taken(entry: Input) -> str:
    words = _KINDS.get(entry.kind) or allowed(entry.schema)
    name = unit(entry.unit)
    words += f" {name}" if name else ""
    return f"{words}; several" if entry.many else words


_KINDS = {
    "source": 'a file: `{"href": …}`',
    "area": "a bounding box or a polygon",
    "date": "a date, YYYY-MM-DD",
}


def _default(entry: Input) -> str:
    if entry.required:
        return "required"
    if entry.decided:
        return f"by {entry.decided.input}"
    return "" if entry.default in (None, []) else f"`{number(entry.default)}`"


def _value_lists(entries: Iterable[Input]) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        if entry.values:
            lines += ["", f"Values of `{entry.id}`:", ""]
            lines += [f"* `{value.value}`: {value.text}" for value in entry.values]
    return lines


def _output_table(outputs: Iterable[Output]) -> list[str]:
    head = ("Output", "What it is", "Unit", "Sign", "How many", "Meaning")
    return _table(head, (_output_row(output) for output in outputs))


def _output_row(output: Output) -> tuple[str, ...]:
    product = output.product
    raster = product if isinstance(product, RasterProduct) else None
    sign = raster.sign if raster else ""
    number_of = "one per pair" if output.many else "one"
    if output.optional:
        number_of += ", if asked for" if output.many else ", if given"
    return f"`{output.id}`", _form(output), unit(output.unit), sign, number_of, output.text


def _form(output: Output) -> str:
    product = output.product
    if isinstance(product, RasterProduct):
        missing = "NaN" if product.nodata != product.nodata else number(product.nodata)
        return f"GeoTIFF (COG), {product.dtype}, no value: {missing}"
    if isinstance(product, FileProduct):
        return f".{product.extension} file"
    if isinstance(product, ValueProduct):
        return allowed(output.schema)
    return f".{product.extension} file of {product.geometry}"


def reasons() -> str:
    """The page of the bits of the output ``reasons``, in Markdown."""
    rows = [(str(bit.value), f"`{bit.name}`", TEXT[bit]) for bit in Reason]
    lines = [_NOTE, "", "# Why a pixel has no value", "", _ABOUT_REASONS]
    return "\n".join([*lines, *_table(("Bit", "Name", "Meaning"), rows)]) + "\n"


def errors(status_of: Callable[[str], HTTPStatus]) -> str:
    """The page of all errors, in Markdown.

    Parameters
    ----------
    status_of
        The HTTP status of an error's code.
    """
    rows = [
        (f"`{kind.code}`", str(int(status_of(kind.code))), _summary(kind.__doc__))
        for kind in sorted(error_classes(), key=lambda kind: kind.code)
        if kind.code not in _ROOTS
    ]
    lines = [
        _NOTE,
        "",
        "# Errors",
        "",
        _ABOUT_ERRORS,
        *_table(("Code", "HTTP status", "What it means"), rows),
    ]
    return "\n".join(lines) + "\n"


_ROOTS = ("error", "input-error")


def _summary(docstring: str | None) -> str:
    return (docstring or "").strip().split("\n\n")[0].replace("\n    ", " ")
