"""A job that was killed goes on where it was."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.declare import SourcePolicy, validate
from core.job import JobRequest, child_environment, command, prepare
from core.pipelines import PIPELINES
from core.simulate.stereo.making import UNBIASED, make_stereo

COMPARED = (
    "dsm.tif",
    "dsm_error.tif",
    "intersection_error.tif",
    "score.tif",
    "contributing_pairs.tif",
    "reasons.tif",
    "hillshade.tif",
)
PATIENCE_S = 240.0

Order = Callable[[str], Path]
Shape = tuple[int, int]


def order_of(folder: Path, shape: Shape, workers: int) -> Order:
    """Prepares jobs and gives their directories."""
    stereo = make_stereo(shape=shape, kind="plain", seed=47, disturbances=UNBIASED, samples=1)
    views = folder / "views"
    views.mkdir()
    images = [{"href": f"file://{path}"} for path in stereo.write(views, true_model=True)]
    policy = SourcePolicy(roots=("/",))
    raw = json.dumps({"inputs": {"images": images, "resolution": 0.5}})
    document = validate(PIPELINES["dsm-opt"], raw, policy).document

    def prepared(name: str) -> Path:
        prepare(
            folder / name, JobRequest("dsm-opt", document, policy, compute={"workers": workers})
        )
        return folder / name

    return prepared


def started(directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(directory), env=child_environment(directory), start_new_session=True
    )


def checkpoints(directory: Path) -> dict[str, int]:
    """When each finished tile was written."""
    folder = directory / "scratch" / "checkpoints"
    found = folder.glob("*.npz") if folder.exists() else ()
    return {path.name: path.stat().st_mtime_ns for path in found}


def finished(directory: Path) -> dict[str, int]:
    """The checkpoints as they were last seen; a job that succeeds leaves none."""
    process = started(directory)
    seen: dict[str, int] = {}
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < end:
        seen |= checkpoints(directory)
        time.sleep(0.01)
    assert process.wait(1.0) == 0, (directory / "log.txt").read_text()
    return seen


@pytest.mark.parametrize(
    ("shape", "workers", "count"),
    [((140, 700), 1, 2), pytest.param((620, 620), 2, 4, marks=pytest.mark.slow)],
)
def test_a_killed_job_makes_only_unfinished_tiles_again_and_equal_bits(
    tmp_path: Path, shape: Shape, workers: int, count: int
) -> None:
    order = order_of(tmp_path, shape, workers)
    whole, killed = order("whole"), order("killed")
    assert len(finished(whole)) == count
    process = started(killed)
    end = time.monotonic() + PATIENCE_S
    while not checkpoints(killed) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = checkpoints(killed)
    assert 1 <= len(before) < count
    (killed / "output" / "dsm.tif").write_bytes(b"half")
    after = finished(killed)
    assert len(after) == count
    assert {name: after[name] for name in before} == before
    for name in COMPARED:
        assert (killed / "output" / name).read_bytes() == (whole / "output" / name).read_bytes()
