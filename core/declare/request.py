"""The members of an execute document besides its inputs."""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from core.declare.document import pointer, said
from core.declare.listing import Output
from core.declare.pipeline import Pipeline
from core.declare.subscriber import subscriber_problems
from core.declare.values import SourcePolicy
from core.errors import (
    MalformedRequest,
    OptiGroundError,
    OutOfRange,
    Problem,
    UnknownMember,
    UnknownOutput,
    UnknownProcess,
    WrongType,
    shortened,
)

RESPONSES = ("raw", "document")
_MEMBERS = ("inputs", "outputs", "response", "process", "version")
_OUTPUT_MEMBERS = ("transmissionMode", "format")
_OF_NO_EFFECT: Mapping[str, tuple[tuple[type, ...], str]] = {
    "encoding": ((str,), "a text"),
    "schema": ((str, dict), "an address, or a schema"),
}
_FORMAT_MEMBERS = ("mediaType", *_OF_NO_EFFECT)


def members(pipeline: Pipeline, document: Any, callbacks: SourcePolicy | None) -> Iterator[Problem]:
    """Problems of a document's members, the inputs themselves aside.

    Parameters
    ----------
    callbacks
        Where a subscriber may be; None: nobody can subscribe.
    """
    if not isinstance(document, dict):
        message = "The request has to be a JSON object with a member inputs."
        yield Problem(MalformedRequest.code, "", shortened(document), "a JSON object", message)
        return
    known = _MEMBERS if callbacks is None else (*_MEMBERS, "subscriber")
    yield from _unknown(document, known, ())
    if callbacks is not None and "subscriber" in document:
        yield from subscriber_problems(document["subscriber"], callbacks)
    for name, check in _CHECKS.items():
        if name in document:
            yield from check(pipeline, document[name])


def selection(pipeline: Pipeline, document: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Ids of the outputs that a valid document asks for, in the service's order; None: all."""
    asked = document.get("outputs")
    if not asked:
        return None
    return tuple(output.id for output in pipeline.output_list if output.id in asked)


def _unknown(
    value: Mapping[str, Any], known: tuple[str, ...], path: tuple[str, ...]
) -> Iterator[Problem]:
    for name in value:
        if name in known:
            continue
        where = pointer((*path, name))
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        if name == "subscriber":
            hint = " Callbacks are not offered; ask for the job's status instead."
        message = f"{where}: there is no member of this name.{hint}"
        yield Problem(UnknownMember.code, where, None, f"one of {', '.join(known)}", message)


def _wrong(
    error: type[OptiGroundError], path: tuple[str, ...], value: Any, allowed: str
) -> Problem:
    where = pointer(path)
    shown = shortened(value)
    return Problem(
        error.code, where, shown, allowed, f"{where} is {said(value)}; it has to be {allowed}."
    )


def _inputs(pipeline: Pipeline, value: Any) -> Iterator[Problem]:  # noqa: ARG001
    if not isinstance(value, dict):
        yield _wrong(WrongType, ("inputs",), value, "an object from input ids to values")


def _response(pipeline: Pipeline, value: Any) -> Iterator[Problem]:  # noqa: ARG001
    if value not in RESPONSES:
        error = OutOfRange if isinstance(value, str) else WrongType
        yield _wrong(error, ("response",), value, f"one of {', '.join(RESPONSES)}")


def _process(pipeline: Pipeline, value: Any) -> Iterator[Problem]:
    if value != pipeline.id:
        yield _wrong(UnknownProcess, ("process",), value, pipeline.id)


def _version(pipeline: Pipeline, value: Any) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield _wrong(WrongType, ("version",), value, f"a text such as {pipeline.version}")


def _outputs(pipeline: Pipeline, value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _wrong(
            WrongType, ("outputs",), value, "an object from output ids to what is asked of each"
        )
        return
    known = {output.id: output for output in pipeline.output_list}
    for name, asked in value.items():
        path = ("outputs", name)
        if name not in known:
            yield _unknown_output(path, tuple(known))
        elif not isinstance(asked, dict):
            yield _wrong(
                WrongType, path, asked, f"an object with {' and '.join(_OUTPUT_MEMBERS)}, or {{}}"
            )
        else:
            yield from _asked(pipeline, known[name], asked, path)


def _unknown_output(path: tuple[str, str], known: tuple[str, ...]) -> Problem:
    close = get_close_matches(path[1], known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    where = pointer(path)
    allowed = f"one of {', '.join(known)}"
    return Problem(
        UnknownOutput.code, where, None, allowed, f"{where}: there is no output of this name.{hint}"
    )


def _asked(
    pipeline: Pipeline, output: Output, asked: Mapping[str, Any], path: tuple[str, str]
) -> Iterator[Problem]:
    yield from _unknown(asked, _OUTPUT_MEMBERS, path)
    mode = asked.get("transmissionMode", pipeline.transmission[0])
    if mode not in pipeline.transmission:
        error = OutOfRange if isinstance(mode, str) else WrongType
        allowed = f"one of {', '.join(pipeline.transmission)}"
        yield _wrong(error, (*path, "transmissionMode"), mode, allowed)
    form = asked.get("format", {})
    if not isinstance(form, dict):
        yield _wrong(WrongType, (*path, "format"), form, "an object with mediaType")
        return
    yield from _unknown(form, _FORMAT_MEMBERS, (*path, "format"))
    media = form.get("mediaType", output.media_type)
    offered = _bare(output.media_type)
    if not isinstance(media, str) or _bare(media) not in (offered, "*/*"):
        error = OutOfRange if isinstance(media, str) else WrongType
        yield _wrong(error, (*path, "format", "mediaType"), media, output.media_type)
    for name, (kinds, allowed) in _OF_NO_EFFECT.items():
        if name in form and not isinstance(form[name], kinds):
            yield _wrong(WrongType, (*path, "format", name), form[name], allowed)


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


_CHECKS: dict[str, Callable[[Pipeline, Any], Iterator[Problem]]] = {
    "inputs": _inputs,
    "outputs": _outputs,
    "response": _response,
    "process": _process,
    "version": _version,
}
