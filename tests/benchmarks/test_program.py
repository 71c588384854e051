"""What a program took, all its processes included."""

import os
import select
import sys

import pytest

from benchmarks import program

BUSY = """
import subprocess, sys, time
inner = '''
import time
held = bytearray(150_000_000)
for at in range(0, len(held), 4096):
    held[at] = 1
while time.process_time() < 1.0:
    pass
'''
subprocess.run([sys.executable, "-c", inner], check=True)
"""


def test_time_and_memory_of_a_child_count(tmp_path) -> None:
    cost = program.run([sys.executable, "-c", BUSY], tmp_path / "log.txt", {})
    assert cost.cpu_s >= 1.0
    assert cost.wall_s > 0
    assert cost.peak_mb >= 150.0


def test_a_program_gets_its_environment_and_leaves_its_words(tmp_path) -> None:
    code = "import os, sys; print(os.environ['WORD']); print('aside', file=sys.stderr)"
    program.run([sys.executable, "-c", code], tmp_path / "log.txt", {"WORD": "hello"})
    assert set((tmp_path / "log.txt").read_text().split()) == {"hello", "aside"}


def test_a_program_that_fails_says_why(tmp_path) -> None:
    command = [sys.executable, "-c", "import sys; print('no such luck'); sys.exit(3)"]
    with pytest.raises(program.Failed, match=r"ended with 3: .*no such luck"):
        program.run(command, tmp_path / "log.txt", {})


def test_what_a_program_leaves_running_is_ended(tmp_path) -> None:
    code = (
        "import subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid)"
    )
    log = tmp_path / "log.txt"
    program.run([sys.executable, "-c", code], log, {})
    try:
        left = os.pidfd_open(int(log.read_text()))
    except ProcessLookupError:
        return
    ended = select.select([left], [], [], 10.0)[0]
    os.close(left)
    assert ended


def test_a_program_is_looked_at_while_it_runs(tmp_path) -> None:
    log, seen = tmp_path / "log.txt", []
    code = "import sys; print('begun', flush=True); sys.stdin.read(); import time; time.sleep(1)"
    program.run([sys.executable, "-c", code], log, {}, lambda: seen.append(log.read_text()))
    assert "begun\n" in seen
