import json
from types import SimpleNamespace

import pytest

from core import declare
from core.declare import SourcePolicy
from core.errors import Cancelled, Refused
from core.pipelines import PIPELINES
from core.pipelines.echo import run
from core.progress import Progress

ECHO = PIPELINES["echo"]
BINARY = {"value": "SUkqAA==", "format": {"mediaType": "image/tiff", "encoding": "base64"}}
EVERYTHING = {
    "stringInput": "teststring",
    "arrayInput": [1, 2, 3],
    "bboxInput": {"bbox": [345345345] * 4, "crs": "urn:ogc:def:crs:EPSG:6.6:4326"},
    "objectInput": {"value": "teststring"},
    "mixedInput": "teststring",
    "imageInput": BINARY,
}


def validated(inputs):
    return declare.validate(ECHO, json.dumps({"inputs": inputs}), SourcePolicy())


def echoed(inputs, progress=None):
    context = SimpleNamespace(progress=progress or Progress())
    made = run(validated(inputs).parameters, context)
    return made.model_dump(mode="json", exclude_none=True)


def test_every_input_comes_back_under_its_own_name():
    assert echoed(EVERYTHING) == {**EVERYTHING, "imageInput": BINARY["value"]}


def test_what_was_not_given_does_not_come_back():
    assert echoed({"stringInput": "x"}) == {"stringInput": "x"}


def test_the_first_input_is_a_text_with_an_output_of_its_name():
    first = ECHO.input_list[0]
    assert (first.id, first.kind, first.required) == ("stringInput", "text", True)
    assert first.id in [output.id for output in ECHO.output_list]


@pytest.mark.parametrize("number", [5, 5.5, -1])
def test_a_mixed_input_may_be_a_number(number):
    assert echoed({"stringInput": "x", "mixedInput": number})["mixedInput"] == number


def test_an_empty_list_comes_back_empty():
    assert echoed({"stringInput": "x", "arrayInput": []})["arrayInput"] == []


@pytest.mark.parametrize(
    "reference",
    [
        {"href": "https://example.org/a.tif", "type": "image/tiff"},
        {"href": "https://example.org/a.tif", "format": {"mediaType": "image/tiff"}},
    ],
)
def test_a_reference_comes_back_and_is_not_followed(reference):
    assert echoed({"stringInput": "x", "imageInput": reference})["imageInput"] == reference


@pytest.mark.parametrize(
    "image",
    [
        {"type": "wrong/type_1"},
        {"value": "AAAA", "mediaType": "wrong/type"},
        {"value": "AAAA", "format": {"mediaType": "wrong/type"}},
        {"href": "https://example.org/a.tif", "type": "wrong/type"},
        {"href": "https://example.org/a.tif", "format": {"mediaType": "wrong/type"}},
        "no base64!",
        "SUkqAA=",
        "SUkqAA==\n",
        {"value": "SUkqA"},
        5,
    ],
)
def test_an_image_of_another_type_is_refused(image):
    with pytest.raises(Refused) as refused:
        validated({"stringInput": "x", "imageInput": image})
    assert all(p.pointer.startswith("/inputs/imageInput") for p in refused.value.problems)


def test_an_object_may_be_wrapped_although_it_has_a_member_called_value():
    plain = {"value": "teststring"}
    for given in (plain, {"value": plain}):
        assert echoed({"stringInput": "x", "objectInput": given})["objectInput"] == plain


def test_a_pause_may_be_a_whole_number_and_reports_until_it_ends():
    said = []
    progress = Progress(lambda fraction, message: said.append(fraction))
    echoed({"stringInput": "x", "pause": 0.01}, progress)
    assert said == sorted(said)
    assert said[-1] == 1
    assert validated({"stringInput": "x", "pause": 5}).parameters.pause == 5


def test_a_pause_ends_when_the_job_is_dismissed():
    def dismissed(fraction, message):
        raise Cancelled("dismissed")

    with pytest.raises(Cancelled):
        echoed({"stringInput": "x", "pause": 3600}, Progress(dismissed))


def test_every_service_here_has_an_id_of_its_own_and_its_code_stays_unloaded():
    assert list(PIPELINES) == ["mpic-opt", "dsm-opt", "echo"]
    assert {service.version.count(".") for service in PIPELINES.values()} == {2}
