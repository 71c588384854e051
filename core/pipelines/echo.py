"""A service that gives its inputs back, after a pause if one is wanted: for trying out clients."""

import time
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from core.declare import (
    Box,
    Group,
    Labelled,
    Outputs,
    Parameters,
    Pipeline,
    TextOrNumber,
    Tiff,
    Unit,
    ValueProduct,
    Whole,
)

if TYPE_CHECKING:
    from core.workspace import Context

_TICK_S = 0.25
"""Seconds between two looks at whether the job is to stop."""

_SAFE = 2**53

Text = Annotated[str, Field(max_length=65536)]
Integers = tuple[Annotated[int, Field(ge=-_SAFE, le=_SAFE)], ...]


class EchoParameters(Parameters):
    """Inputs of ``echo``: one of each kind."""

    stringInput: Annotated[Text, Group("Values"), Field(examples=["teststring"])]  # noqa: N815
    """Any text; it comes back as it is."""
    pause: Annotated[float, Unit("s"), Group("Timing"), Field(ge=0, le=3600)] = 0.0
    """How long the job takes before it answers, for trying out waiting, progress and dismissal."""
    arrayInput: Annotated[  # noqa: N815
        Annotated[Integers, Field(max_length=1000)] | None,
        Whole(),
        Group("Values"),
        Field(examples=[[1, 2, 3]]),
    ] = None
    """A list of whole numbers."""
    bboxInput: Annotated[  # noqa: N815
        Box | None,
        Group("Values"),
        Field(examples=[{"bbox": [7.0, 51.9, 7.1, 52.0]}]),
    ] = None
    """A bounding box; neither its order nor its range is checked."""
    objectInput: Annotated[  # noqa: N815
        Labelled | None, Group("Values"), Field(examples=[{"value": "teststring"}])
    ] = None
    """An object with one text."""
    mixedInput: Annotated[  # noqa: N815
        TextOrNumber | None, Group("Values"), Field(examples=[3.5])
    ] = None
    """A text or a number."""
    imageInput: Annotated[Tiff | None, Group("Values")] = None  # noqa: N815
    """A TIFF image as base64 text or as a reference; a reference comes back and is not followed."""


class EchoOutputs(Outputs):
    """Outputs of ``echo``: what was given, under the same names."""

    stringInput: Annotated[str, ValueProduct()]  # noqa: N815
    """The text that was given."""
    arrayInput: Annotated[Integers | None, ValueProduct()] = None  # noqa: N815
    """The list that was given; absent if none was."""
    bboxInput: Annotated[Box | None, ValueProduct()] = None  # noqa: N815
    """The bounding box that was given; absent if none was."""
    objectInput: Annotated[Labelled | None, ValueProduct()] = None  # noqa: N815
    """The object that was given; absent if none was."""
    mixedInput: Annotated[TextOrNumber | None, ValueProduct()] = None  # noqa: N815
    """The text or number that was given; absent if none was."""
    imageInput: Annotated[Tiff | None, ValueProduct()] = None  # noqa: N815
    """The image that was given, as base64 text or as the reference; absent if none was."""


def run(parameters: EchoParameters, context: "Context") -> EchoOutputs:
    """Pause, then answer with what was given."""
    end = time.monotonic() + parameters.pause
    while (left := end - time.monotonic()) > 0:
        context.progress.report(1.0 - left / parameters.pause, f"pausing, {left:.0f} s left")
        time.sleep(min(left, _TICK_S))
    context.progress.report(1.0, "answering")
    values = {name: getattr(parameters, name) for name in EchoOutputs.model_fields}
    return EchoOutputs.model_validate(values)


ECHO = Pipeline(
    id="echo",
    title="Echo",
    text=(
        "Gives back what it gets, after a pause if one is wanted. For trying out clients and "
        "servers: every kind of input that the standard knows, synchronously or as a job. "
        "Nothing is computed and no reference is followed."
    ),
    version="1.0.0",
    keywords=("test", "echo"),
    parameters=EchoParameters,
    outputs=EchoOutputs,
    run="core.pipelines.echo:run",
    modes=("sync-execute", "async-execute", "dismiss"),
    transmission=("value", "reference"),
)
