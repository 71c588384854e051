import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.declare.document import MAX_DEPTH, pointer, read
from core.errors import Refused


def problems(raw: bytes | str) -> list[tuple[str, str]]:
    return [(problem.code, problem.pointer) for problem in read(raw).problems]


def refusal(raw: bytes | str) -> str:
    with pytest.raises(Refused) as refused:
        read(raw)
    (problem,) = refused.value.problems
    assert problem.code == "malformed-request"
    assert problem.pointer == ""
    return problem.message


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_a_problem_at_its_place(text):
    assert problems(f'{{"inputs": {{"a": [1, {text}]}}}}') == [("out-of-range", "/inputs/a/1")]


def test_a_number_of_5000_digits_is_a_problem_and_no_crash():
    assert problems(f'{{"a": {"9" * 5000}}}') == [("out-of-range", "/a")]
    assert problems(f'{{"a": 1.{"9" * 5000}}}') == [("out-of-range", "/a")]
    assert problems(f'{{"a": -{"9" * 400}}}') == [("out-of-range", "/a")]


def test_nesting_10000_deep_is_refused_before_the_parser_sees_it():
    assert "nested deeper" in refusal("[" * 10000 + "]" * 10000)
    assert "nested deeper" in refusal('{"a":' * 10000)


def test_brackets_inside_texts_do_not_count_as_nesting():
    text = json.dumps({"a": "[{" * 1000 + '\\"[' * 1000})
    assert read(text).problems == ()


def test_the_deepest_nesting_allowed_is_read():
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH).problems == ()


def test_invalid_utf8_is_refused_with_the_place_of_the_byte():
    assert "byte 6" in refusal(b'{"a":"\xff"}')


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", '{"a": 1,}', "01", '{"a" 1}', "\ufeff{}"])
def test_what_is_no_json_is_refused_with_line_and_column(text):
    assert "line 1" in refusal(text)


def test_an_equal_key_is_a_problem_at_every_depth_and_the_first_value_holds():
    reading = read('{"a": {"b": 1, "b": 2}, "a": 3}')
    assert [problem.pointer for problem in reading.problems] == ["/a/b", "/a"]
    assert reading.value == {"a": {"b": 1}}


def test_keys_that_are_equal_only_after_unescaping_are_equal():
    assert problems(r'{"a": 1, "\u0061": 2}') == [("duplicate-key", "/a")]


@pytest.mark.parametrize("escape", [r"\u0000", r"\ud800", r"\udfff"])
def test_nul_and_lone_surrogates_are_problems_in_values_and_in_keys(escape):
    assert problems(f'{{"a": "x{escape}y"}}') == [("malformed-request", "/a")]
    assert problems(f'{{"x{escape}": 1}}') == [("malformed-request", "/x\ufffd")]


def test_a_surrogate_pair_is_one_character():
    assert read(r'"\ud83d\ude00"') == ("😀", ())


def test_a_whole_number_may_be_written_with_a_fraction_of_zero():
    value, found = read("[15.0, 1e3, 0.5, 1e300]")
    assert found == ()
    assert value == [15, 1000, 0.5, 1e300]
    assert [type(item) for item in value] == [int, int, float, float]


def test_all_problems_are_found_at_once():
    raw = r'{"a": NaN, "b": "\u0000", "c": [1e999], "a": 2}'
    assert problems(raw) == [
        ("out-of-range", "/a"),
        ("malformed-request", "/b"),
        ("out-of-range", "/c/0"),
        ("duplicate-key", "/a"),
    ]


def test_a_pointer_escapes_tilde_and_slash():
    assert pointer(("a/b", "~", 3)) == "/a~1b/~0/3"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc/~"), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_a_document_without_problems_is_read_as_it_is(value):
    reading = read(json.dumps(value))
    assert reading.problems == ()
    assert reading.value == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw):
    with contextlib.suppress(Refused):
        read(raw)


@given(st.text('[]{}",:\\ \n0123456789.eE+-truefalsnNaIity', max_size=60))
def test_any_text_of_json_signs_is_read_or_refused(raw):
    with contextlib.suppress(Refused):
        read(raw)
