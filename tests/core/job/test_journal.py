"""The logs of a job: bounded, and whole lines."""

import logging
import subprocess
import time
from pathlib import Path

from core.job.interruption import Interruption
from core.job.journal import LOG, LOG_KEPT, OPERATOR_LOG, Journal, cut


def numbered(count: int) -> bytes:
    return b"".join(b"line %07d\n" % number for number in range(count))


def test_a_log_is_cut_to_its_last_lines_for_those_who_write_it_too(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(numbered(30_000))
    with path.open("ab") as stream:
        cut(path)
        subprocess.run(["echo", "from a child"], stdout=stream, check=True)
    lines = path.read_bytes().splitlines()
    assert path.stat().st_size <= LOG_KEPT + 20
    assert lines[-2:] == [b"line 0029999", b"from a child"]
    assert lines[:-1] == numbered(30_000).splitlines()[-len(lines) + 1 :]
    assert len(lines) > 7000


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log"
    cut(path)
    assert not path.exists()
    path.write_bytes(numbered(100))
    cut(path)
    assert path.read_bytes() == numbered(100)


def test_the_logs_of_a_talkative_job_are_bounded_while_it_runs_and_after(tmp_path: Path) -> None:
    log = logging.getLogger("core.talkative")
    sizes = [tmp_path / name for name in (LOG, OPERATOR_LOG)]
    with Journal(tmp_path, Interruption()):
        for number in range(3):
            for _ in range(400):
                log.info("%d %s", number, "x" * 1000)
            end = time.monotonic() + 30
            while any(path.stat().st_size > 2 * LOG_KEPT for path in sizes):
                assert time.monotonic() < end
                time.sleep(0.02)
        log.info("the last words")
    for path in sizes:
        assert path.stat().st_size <= LOG_KEPT
        assert path.read_text().endswith("the last words\n")
