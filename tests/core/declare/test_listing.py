from datetime import date
from typing import Annotated

import pytest
from pydantic import Field

from core.declare import (
    Advanced,
    Area,
    Bounds,
    Choice,
    DecidedBy,
    File,
    FileProduct,
    Group,
    IncompleteDeclarationError,
    Many,
    Odd,
    Outputs,
    Parameters,
    Pipeline,
    RasterProduct,
    Source,
    Unit,
    UnsayableError,
    ValueProduct,
    inputs,
    outputs,
    registry,
)
from core.pipelines import PIPELINES


class Method(Choice):
    FAST = "fast", "Quick and rough."
    SLOW = "slow", "Careful."


class In(Parameters):
    window: Annotated[
        int | None,
        Unit("{pixel}"),
        Group("Matching"),
        Advanced(),
        Odd(),
        DecidedBy("method", {"fast": 5, "slow": 21}),
        Field(ge=5, le=65),
    ] = None
    """Side of the
    square."""
    method: Annotated[Method, Group("Method")] = Method.FAST
    """How."""
    image: Annotated[Source, Group("Images")]
    """Image."""
    days: Annotated[tuple[date, ...], Group("Images"), Field(max_length=9)] = ()
    """Days."""
    masks: Annotated[tuple[Source, ...], Group("Images"), Field(min_length=2)]
    """Masks."""
    aoi: Annotated[Area | None, Group("Images")] = None
    """Area."""
    threshold: Annotated[float, Unit("1"), Group("Matching"), Field(gt=0, title="Limit")] = 1.5
    """Threshold."""


class Out(Outputs):
    east: Annotated[Many, RasterProduct("m", "positive towards east")]
    """East."""
    raw: Annotated[Many, RasterProduct("m")] = ()
    """Raw."""
    report: Annotated[File, FileProduct("text/html", "html")]
    """Report."""
    value: Annotated[float | None, ValueProduct()] = None
    """Value."""


def listed():
    return {entry.id: entry for entry in inputs(In)}


def test_an_input_has_everything_that_a_form_needs():
    window = listed()["window"]
    assert window.title == "Window"
    assert window.text == (
        "Side of the square. An odd number. Left out, the method decides: fast 5, slow 21."
    )
    assert (window.unit, window.kind, window.group) == ("{pixel}", "integer", "Matching")
    assert window.advanced
    assert window.bounds == Bounds(5, 65)
    assert window.default is None
    assert (window.min_occurs, window.max_occurs, window.many) == (0, 1, False)
    assert window.schema == {"type": "integer", "minimum": 5, "maximum": 65}


def test_a_choice_has_its_values_with_their_texts():
    method = listed()["method"]
    assert method.kind == "choice"
    assert method.default == "fast"
    assert method.values == (("fast", "Quick and rough."), ("slow", "Careful."))


def test_a_tuple_is_an_input_that_occurs_several_times():
    days, masks = listed()["days"], listed()["masks"]
    assert (days.kind, days.min_occurs, days.max_occurs, days.default) == ("date", 0, 9, [])
    assert days.schema == {"type": "string", "format": "date"}
    assert (masks.kind, masks.min_occurs, masks.max_occurs) == ("source", 2, None)


def test_an_exclusive_bound_is_a_boolean_beside_the_bound():
    threshold = listed()["threshold"]
    assert threshold.title == "Limit"
    assert threshold.schema == {"type": "number", "minimum": 0, "exclusiveMinimum": True}
    assert threshold.bounds == Bounds(0, None, without_low=True)


def test_value_types_have_their_kinds():
    assert listed()["image"].kind == "source"
    assert listed()["image"].required
    assert listed()["aoi"].kind == "area"


def test_an_output_tells_its_product_and_how_many_there_are():
    made = {output.id: output for output in outputs(Out)}
    assert made["east"].many
    assert not made["east"].optional
    assert made["east"].unit == "m"
    assert made["east"].media_type == "image/tiff; application=geotiff; profile=cloud-optimized"
    assert made["raw"].optional
    assert not made["report"].many
    assert made["report"].schema["contentMediaType"] == "text/html"
    assert made["value"].schema == {"type": "number"}
    assert made["value"].optional


def pipeline(parameters=In, outputs_=Out, **more):
    texts = {"id": "test", "title": "Test", "text": "A test.", "version": "1.0.0", "keywords": ()}
    return Pipeline(**{**texts, **more}, parameters=parameters, outputs=outputs_, run="a:b")


def test_a_complete_declaration_is_registered_by_its_id():
    assert list(registry(pipeline())) == ["test"]


def test_a_declaration_that_lacks_something_is_not_registered_and_all_of_it_is_named():
    class Bare(Choice):
        A = "a", ""

    class Poor(Parameters):
        plain: float = 0.5
        choice: Annotated[Bare, Group("G")] = Bare.A
        """Choice."""
        count: Annotated[int, Unit("1"), Group("G"), Field(ge=0)] = 1
        """Count."""

    class PoorOut(Outputs):
        raster: Annotated[Many, RasterProduct("")]

    with pytest.raises(IncompleteDeclarationError) as lacking:
        registry(pipeline(Poor, PoorOut, text=""))
    assert str(lacking.value) == (
        "test: lacks its text; test: input plain lacks its text; "
        "test: input plain lacks its group; "
        "test: input plain lacks its unit; test: input choice lacks the text of 'a'; "
        "test: input count lacks its range; test: output raster lacks its text; "
        "test: output raster lacks its unit"
    )


def test_an_input_that_repeats_no_text_loses_it_and_is_found():
    class Child(In):
        window: Annotated[int, Unit("{pixel}"), Group("Matching"), Field(ge=1, le=9)] = 3

    with pytest.raises(IncompleteDeclarationError, match="window lacks its text"):
        registry(pipeline(Child))


def test_an_output_without_a_product_is_an_error():
    class NoProduct(Outputs):
        thing: Many
        """Thing."""

    with pytest.raises(TypeError, match="thing"):
        registry(pipeline(outputs_=NoProduct))


def test_what_the_dialect_cannot_say_is_an_error():
    class Unequal(Parameters):
        pair: Annotated[tuple[int, str], Group("G")] = (1, "a")
        """Pair."""

    class FreeKeys(Parameters):
        table: Annotated[dict[Annotated[str, Field(pattern="a")], int] | None, Group("G")] = None
        """Table."""

    with pytest.raises(UnsayableError):
        inputs(Unequal)
    with pytest.raises(UnsayableError):
        inputs(FreeKeys)


@pytest.mark.parametrize("service", PIPELINES.values(), ids=list(PIPELINES))
def test_every_service_has_flat_inputs_and_texts_without_angle_brackets(service):
    """Stock pygeoapi writes < and > as entities into its answers."""
    for entry in service.input_list:
        texts = [entry.text, entry.title, *(value.text for value in entry.values)]
        assert all(sign not in text for text in texts for sign in "<>")
        if service.id != "echo":
            assert entry.kind not in ("object", "array", "mixed", "box", "binary")
    for output in service.output_list:
        assert all(sign not in output.text for sign in "<>")
