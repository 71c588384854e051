"""Changes to generated requests: some lead to what there is, none takes long or leaves the machine.

schemathesis loads it beside itself; ``FUZZ_KNOWN`` names the file that tells what there is.
"""

import json
import os
import uuid
import zlib
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.modes import GenerationMode

KNOWN: dict[str, Any] = json.loads(Path(os.environ["FUZZ_KNOWN"]).read_text())
ADDRESSES = ("href", "successUri", "inProgressUri", "failedUri")
NOBODY = "http://127.0.0.1:9/"
"""Where nothing listens."""
NOTHING = "upload:00000000-0000-4000-8000-000000000000"
"""A file that there is not, which is seen at once."""
SELDOM = 32
"""One of so many requests costs the server a process of its own."""


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if isinstance(case.body, dict):
        if is_valid(case, "BODY"):
            case.body = without_nul(case.body)
        shorten(case.body)
        on_images = any(f"/{name}/" in case.operation.path for name in ("mpic-opt", "dsm-opt"))
        costly = not on_images or chance(case, SELDOM) == 0
        stay_here(case.body, NOBODY if costly else NOTHING)
        if case.operation.path.endswith("/mpic-opt/inspect") and is_valid(case, "BODY"):
            give_images(case)
        if chance(case, 8) == 0:
            # A key that is used again hides what comes later.
            leave_out(case, "Idempotency-Key")
    if case.query and not is_valid(case, "QUERY"):
        spoil_limit(case)
    if case.path_parameters and is_valid(case, "PATH") and case.meta.phase.name != "stateful":
        lead(case)
    if case.path_parameters and case.path_parameters.get("outputID") in KNOWN["json"]:
        # A part of a file of JSON is no JSON, and would be judged as if it had to be.
        leave_out(case, "Range")


def is_valid(case: Any, part: str) -> bool:
    """Whether a part of the request was made to agree with its schema."""
    found = case.meta.components.get(ParameterLocation[part]) if case.meta else None
    return found is not None and found.mode == GenerationMode.POSITIVE


def chance(case: Any, among: int) -> int:
    """A number below `among` that is always the same for the same case."""
    told = repr((case.operation.label, case.path_parameters, case.query, case.headers, case.body))
    return zlib.crc32(told.encode(errors="replace")) % among


def without_nul(value: Any) -> Any:
    """A value without NUL, which no text may hold: the document says it in words."""
    if isinstance(value, dict):
        return {without_nul(name): without_nul(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nul(inner) for inner in value]
    return value.replace("\0", " ") if isinstance(value, str) else value


def shorten(body: Any) -> None:
    """Let no job pause."""
    inputs = body.get("inputs")
    pause = inputs.get("pause") if isinstance(inputs, dict) else None
    if isinstance(pause, int | float) and not isinstance(pause, bool) and 0 <= pause <= 3600:
        inputs["pause"] = 0


def stay_here(value: Any, address: str) -> None:
    """Let no address lead to another machine, but to `address`; subscribers are on this one."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ADDRESSES and isinstance(inner, str) and inner.lower().startswith("http"):
                value[name] = address if name == "href" else NOBODY
            stay_here(inner, address)
    elif isinstance(value, list):
        for inner in value:
            stay_here(inner, address)


def leave_out(case: Any, header: str) -> None:
    """Send no header of this name."""
    if case.headers and header in case.headers:
        rest = {name: value for name, value in case.headers.items() if name != header}
        case.headers = type(case.headers)(rest)


def spoil_limit(case: Any) -> None:
    """Make a mistake of a limit that is none: one that is too large is cut, as OGC API wants it."""
    limit = str(case.query.get("limit", ""))
    if limit.isascii() and limit.isdigit() and int(limit) > 0:
        case.query = {**case.query, "limit": f"-{limit}"}


def give_images(case: Any) -> None:
    """Name images that there are, in a part of the requests to look at some."""
    if isinstance(case.body.get("inputs"), dict) and chance(case, SELDOM) == 1:
        rest = {name: value for name, value in case.body["inputs"].items() if "date" not in name}
        case.body["inputs"] = {**rest, **KNOWN["pair"], "scenes": []}


def lead(case: Any) -> None:
    """Ask for a job, a result or an upload that there is, three times of four."""
    path, jobs = case.path_parameters, KNOWN["jobs"]
    if case.operation.method.lower() == "delete":
        known = [*jobs, KNOWN["upload"]]
        case.path_parameters = {
            name: str(uuid.uuid4()) if value in known else value for name, value in path.items()
        }
        return
    draw = chance(case, 4 * len(jobs))
    if draw >= 3 * len(jobs):
        return
    if "uploadID" in path:
        case.path_parameters = {**path, "uploadID": KNOWN["upload"]}
    if "jobID" in path:
        job = list(jobs)[draw % len(jobs)]
        found = {**path, "jobID": job}
        keyed = {output: keys for output, keys in jobs[job].items() if keys}
        if "key" in path and keyed:
            found["outputID"] = sorted(keyed)[draw % len(keyed)]
            found["key"] = keyed[found["outputID"]][0]
        elif "outputID" in path and jobs[job]:
            found["outputID"] = sorted(jobs[job])[chance(case, len(jobs[job]))]
        case.path_parameters = found
