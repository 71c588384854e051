"""A service: its declaration and where its code is."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.declare.listing import Input, Output, inputs, outputs
from core.declare.model import Outputs, Parameters
from core.declare.products import RasterProduct
from core.errors import Problem

GIB = 1 << 30

Given = Mapping[str, Any]
"""Inputs as the user gave them, of any type, qualified values unwrapped; nothing filled in."""

Rules = Callable[[Given], Iterable[Problem]]


def _no_rules(given: Given) -> Iterable[Problem]:  # noqa: ARG001
    return ()


def _complete(parameters: Parameters) -> Parameters:
    return parameters


def _no_pairs(given: Given) -> int:  # noqa: ARG001
    return 0


@dataclass(frozen=True)
class Resources:
    """What a job of a service may use at most unless the operator says otherwise."""

    wall_s: float = 6 * 3600.0
    memory_bytes: int = 4 * GIB
    disk_bytes: int = 100 * GIB
    processes: int = 64


@dataclass(frozen=True)
class Pipeline:
    """A service.

    Parameters
    ----------
    id, title, text, keywords
        Name in addresses and on the command line, heading, description, search words.
    version
        Semantic version: new defaults or numerics change the minor, ids and meanings the major.
    parameters, outputs
        The declaration.
    run, inspect
        Dotted paths ``module:function``; imported only in the process that runs a job.
        `inspect` reads headers and raises what a run would stumble over.
    rules
        Problems of inputs that do not fit together.  Gets what the user gave, right or wrong.
    complete
        Fills in what one input decides for others.
    pairs
        How many pairs of scenes the inputs make at least, as far as that shows in them.
    modes
        Job control options after OGC API - Processes.
    transmission
        How outputs can be had: ``reference``, ``value``.
    resources
        Limits of a job.
    """

    id: str
    title: str
    text: str
    version: str
    keywords: tuple[str, ...]
    parameters: type[Parameters]
    outputs: type[Outputs]
    run: str
    inspect: str | None = None
    rules: Rules = _no_rules
    complete: Callable[[Any], Parameters] = _complete
    pairs: Callable[[Given], int] = _no_pairs
    modes: tuple[str, ...] = ("async-execute", "dismiss")
    transmission: tuple[str, ...] = ("reference",)
    resources: Resources = Resources()

    @property
    def input_list(self) -> tuple[Input, ...]:
        """The inputs in order."""
        return inputs(self.parameters)

    @property
    def output_list(self) -> tuple[Output, ...]:
        """The outputs in order."""
        return outputs(self.outputs)


class IncompleteDeclarationError(ValueError):
    """A service lacks a text, a unit or a range, and cannot be registered."""


def registry(*pipelines: Pipeline) -> Mapping[str, Pipeline]:
    """The services by id, each found complete.

    Raises
    ------
    IncompleteDeclarationError
        Naming everything that is missing, in all of them.
    """
    missing = [f"{pipeline.id}: {lack}" for pipeline in pipelines for lack in lacks(pipeline)]
    if missing:
        raise IncompleteDeclarationError("; ".join(missing))
    return MappingProxyType({pipeline.id: pipeline for pipeline in pipelines})


def lacks(pipeline: Pipeline) -> list[str]:
    """What a declaration lacks, in words; empty if it is complete."""
    found = [
        f"lacks its {name}" for name in ("title", "text", "version") if not getattr(pipeline, name)
    ]
    for entry in pipeline.input_list:
        found += [f"input {entry.id} {lack}" for lack in _input_lacks(entry)]
    for output in pipeline.output_list:
        if not output.text:
            found.append(f"output {output.id} lacks its text")
        if isinstance(output.product, RasterProduct) and not _has_unit(output.product):
            found.append(f"output {output.id} lacks its unit")
    return found


def _input_lacks(entry: Input) -> list[str]:
    found = []
    if not entry.text:
        found.append("lacks its text")
    if not entry.group:
        found.append("lacks its group")
    found += [f"lacks the text of {value.value!r}" for value in entry.values if not value.text]
    if entry.kind in ("integer", "number") and not entry.unit:
        found.append("lacks its unit")
    # Every whole number has a range: the two readers of the declaration, JSON Schema and pydantic,
    # differ on what a whole number beyond 2**53 is.
    if entry.kind == "integer" and None in entry.bounds[:2]:
        found.append("lacks its range")
    return found


def _has_unit(product: RasterProduct) -> bool:
    return bool(product.unit) or not product.dtype.startswith("float")
