"""Every error that a user or an operator can meet, each with a code of its own.

The codes are stable; ``docs/errors.md`` is generated from this module.  The library knows no HTTP:
the statuses stand in one table of the server.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a request, told so that it can be mended.

    Parameters
    ----------
    code
        Code of the error class, kebab-case.
    pointer
        RFC 6901 pointer into the request document (``/inputs/window``), "" for the whole.
    value
        The offending value as the user gave it, shortened; None where there is none.
    allowed
        What would be accepted, in words.
    message
        One sentence that names the thing, its value and what is allowed.
    """

    code: str
    pointer: str
    value: object
    allowed: str
    message: str

    def as_dict(self) -> dict[str, object]:
        """The problem as a JSON object."""
        return {
            "code": self.code,
            "pointer": self.pointer,
            "value": self.value,
            "allowed": self.allowed,
            "message": self.message,
        }


class OptiGroundError(Exception):
    """Root of all errors of OptiGround.

    Parameters
    ----------
    message
        One sentence for the person who can mend it.  Never holds a path of the server.
    pointer, value, allowed
        As in :class:`Problem`.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, pointer: str = "", value: object = None, allowed: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer
        self.value = value
        self.allowed = allowed

    def problem(self) -> Problem:
        """The error as a value that can be listed, stored and sent."""
        return Problem(self.code, self.pointer, shortened(self.value), self.allowed, self.message)


class InputError(OptiGroundError):
    """The request or a file named in it cannot be used as it is."""

    code = "input-error"


class Refused(InputError):
    """Several things are wrong with a request; all of them are listed."""

    code = "refused"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class MalformedRequest(InputError):
    """The request is not a JSON document of the expected form."""

    code = "malformed-request"


class DuplicateKey(InputError):
    """A key stands twice in one JSON object."""

    code = "duplicate-key"


class UnknownInput(InputError):
    """The process has no input of this name."""

    code = "unknown-input"


class MissingInput(InputError):
    """A required input was not given."""

    code = "missing-input"


class WrongType(InputError):
    """An input has a value of the wrong type."""

    code = "wrong-type"


class OutOfRange(InputError):
    """An input lies outside its range, or is none of the values that are allowed."""

    code = "out-of-range"


class Inconsistent(InputError):
    """Inputs that are right each for itself do not fit together."""

    code = "inconsistent-inputs"


class UnknownProcess(InputError):
    """There is no process of this id."""

    code = "unknown-process"


class UnknownMember(InputError):
    """The request document has a member that is not known here."""

    code = "unknown-member"


class UnknownOutput(InputError):
    """The process has no output of this name."""

    code = "unknown-output"


class SourceRefused(InputError):
    """A reference to a file is not allowed by this server's policy."""

    code = "source-refused"


class SourceUnreachable(InputError):
    """A reference could not be read: it does not exist, timed out, or answered with an error."""

    code = "source-unreachable"


class SourceTooLarge(InputError):
    """A file, or what it unpacks to, is larger than allowed."""

    code = "source-too-large"


class BadArchive(InputError):
    """An archive is damaged, or holds what archives of images never hold."""

    code = "bad-archive"


class BadMetadata(InputError):
    """A product's XML is damaged or unsafe (DTD, entities, too large, too deep)."""

    code = "bad-metadata"


class BadRpc(InputError):
    """An image's RPC is not complete, not finite, or has a scale of zero."""

    code = "bad-rpc"


class RpcMissing(InputError):
    """An image comes without the sensor model (RPC) that tells where its pixels lie."""

    code = "rpc-missing"


class WrongLevel(InputError):
    """A product is map-projected or orthorectified; a surface needs images in sensor geometry."""

    code = "wrong-level"


class IncompleteProduct(InputError):
    """A product's metadata name a file that is not there."""

    code = "incomplete-product"


class UnknownFormat(InputError):
    """The file is no product or raster format that is read here."""

    code = "unknown-format"


class BadRaster(InputError):
    """A raster cannot be read, or has no pixels with a value."""

    code = "bad-raster"


class NoGeoreference(InputError):
    """A raster or polygons have no coordinate reference system, or a raster no geotransform."""

    code = "no-georeference"


class UnsupportedGrid(InputError):
    """A raster's coordinate reference system or pixel geometry cannot be worked on."""

    code = "unsupported-grid"


class LayerMissing(InputError):
    """A file of polygons has no layer of the name asked for."""

    code = "layer-missing"


class BandMissing(InputError):
    """The band asked for is not there, or several are there and none was chosen."""

    code = "band-missing"


class BadControl(InputError):
    """A file of ground control points is damaged, incomplete, or does not fit the images."""

    code = "bad-control"


class UnknownDatum(InputError):
    """A height datum is no vertical reference system, or none that can be computed here."""

    code = "unknown-datum"


class GridMissing(InputError):
    """Heights above the datum asked for need a grid that is not installed on this server."""

    code = "grid-missing"


class NoOverlap(InputError):
    """Images, or an image and the area of interest, have no ground in common."""

    code = "no-overlap"


class TooSmall(InputError):
    """The common ground of the images is smaller than the method needs."""

    code = "too-small"


class TooLarge(InputError):
    """The work asked for is above a limit of this server (scenes, pairs, pixels, disk)."""

    code = "too-large"


class DateMissing(InputError):
    """A date is needed and neither the product nor the request gives one."""

    code = "date-missing"


class TooFewSamples(InputError):
    """The training samples do not tell landslides from the rest, or cannot be judged by."""

    code = "too-few-samples"


class BadModel(InputError):
    """A file of a saved model is damaged, or holds what no model of this service holds."""

    code = "bad-model"


class ModelMismatch(InputError):
    """A saved model needs features that these images do not give."""

    code = "model-mismatch"


class NothingMeasured(OptiGroundError):
    """Every pair of a job failed."""

    code = "nothing-measured"


class Cancelled(OptiGroundError):
    """The job was asked to stop."""

    code = "cancelled"


class DiskFull(OptiGroundError):
    """There is no space left for the job's files."""

    code = "disk-full"


class LimitReached(OptiGroundError):
    """The job used more time, memory, disk or processes than it may."""

    code = "limit-reached"


class WorkerLost(OptiGroundError):
    """The process that ran the job ended without a result."""

    code = "worker-lost"


class Internal(OptiGroundError):
    """A fault of ours; the operator's log has the details under the error id."""

    code = "internal-error"


def error_classes(root: type[OptiGroundError] = OptiGroundError) -> Iterator[type[OptiGroundError]]:
    """All error classes below `root`, itself first, in the order of their definition."""
    yield root
    for child in root.__subclasses__():
        yield from error_classes(child)


def problems_of(error: OptiGroundError) -> tuple[Problem, ...]:
    """The problems that an error stands for: several for :class:`Refused`, else one."""
    return error.problems if isinstance(error, Refused) else (error.problem(),)


def shortened(value: object, limit: int = 200) -> object:
    """A value fit for a message: long texts, numbers and collections are cut, the rest is kept."""
    if isinstance(value, bool | float | None):
        return value if value is None or math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if value.bit_length() <= 1024 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, str):
        return value if len(value) <= limit else value[: limit - 1] + "…"
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, default=str)
        return value if len(text) <= limit else text[: limit - 1] + "…"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
