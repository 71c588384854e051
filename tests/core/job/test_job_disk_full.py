"""A job on a disk that really is full."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import DiskFull
from core.job import child_environment, prepare, run, run_in_child
from core.job.request import load

Order = Callable[..., Path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; skips where none can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_job_that_fills_the_disk_says_so_in_its_result(order: Order, small_disk: Path) -> None:
    prepare(small_disk / "job", load(order(deed="flood")))
    assert run(small_disk / "job") == 1
    result = json.loads((small_disk / "job/result.json").read_text())
    assert result["problems"][0]["code"] == DiskFull.code
    assert list((small_disk / "job/output").iterdir()) == []


def test_a_job_that_starts_on_a_full_disk_says_so_too(order: Order, small_disk: Path) -> None:
    directory = small_disk / "job"
    prepare(directory, load(order(deed="work")))
    with pytest.raises(OSError, match="No space"):
        fill(small_disk / "other")
    result = run_in_child(directory, child_environment(directory))
    assert result["problems"][0]["code"] == DiskFull.code


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(512))
