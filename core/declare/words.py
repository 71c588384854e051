"""What a JSON schema allows, in words for people."""

from collections.abc import Mapping
from typing import Any


def number(value: Any) -> str:
    """A value as a reader writes it: no ``.0``, ``true`` and ``false`` for booleans.

    >>> number(60.0), number(0.35), number(True), number("all")
    ('60', '0.35', 'true', 'all')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value)


_UNITS = {"{pixel}": "pixels", "{acquisition}": "acquisitions", "1": "", "m": "m", "s": "s"}


def unit(code: str) -> str:
    """A UCUM code as people write it; "" for a pure number.

    >>> unit("{pixel}"), unit("m"), unit("1")
    ('pixels', 'm', '')
    """
    return _UNITS.get(code, code)


def allowed(schema: Mapping[str, Any]) -> str:
    """What the schema allows.

    >>> allowed({"type": "integer", "minimum": 5, "maximum": 65})
    'a whole number from 5 to 65'
    >>> allowed({"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4})
    'a list of 4, each a number'
    """
    if "enum" in schema:
        values = [number(value) for value in schema["enum"]]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(allowed(branch) for branch in schema[key])
    if "allOf" in schema:
        return allowed(schema["allOf"][-1])
    phrase = _PHRASES.get(schema.get("type", ""))
    return phrase(schema) if phrase else "any value"


def _number(schema: Mapping[str, Any]) -> str:
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None and not above and not below:
        return f"{noun} from {number(low)} to {number(high)}"
    parts = []
    if low is not None:
        parts.append(f"above {number(low)}" if above else f"of at least {number(low)}")
    if high is not None:
        parts.append(f"below {number(high)}" if below else f"of at most {number(high)}")
    return " ".join([noun, " and ".join(parts)]).strip()


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") == "date":
        return "a date written YYYY-MM-DD"
    if "contentMediaType" in schema:
        return f"base64 text of {schema['contentMediaType']}, or a reference with href"
    if "pattern" in schema:
        return f"a text that matches {schema['pattern']}"
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    if high is None:
        return "a text"
    return (
        f"a text of {low} to {high} characters" if low else f"a text of at most {high} characters"
    )


def _list(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minItems", 0), schema.get("maxItems")
    each = f"each {allowed(schema.get('items', {}))}"
    if high is not None and low == high:
        return f"a list of {low}, {each}"
    if high is not None:
        return f"a list of {low} to {high}, {each}"
    return f"a list of at least {low}, {each}" if low else f"a list, {each}"


def _object(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    others = [name for name in schema.get("properties", {}) if name not in required]
    text = f"an object with {' and '.join(required)}" if required else "an object"
    return f"{text} (and, if wanted, {', '.join(others)})" if others else text


_PHRASES = {
    "integer": _number,
    "number": _number,
    "boolean": lambda _: "true or false",
    "string": _text,
    "array": _list,
    "object": _object,
}
