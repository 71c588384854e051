"""The script that people and CI begin with, as far as it goes without making an environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("sh", "cat", "cksum", "dirname", "find", "tr")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without an environment."""
    folder = tmp_path / "checkout"
    (folder / "core").mkdir(parents=True)
    for name in ("run", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder for PATH with what the script calls, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def ran(checkout: Path, *arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(checkout)}
    return subprocess.run(
        ["./run", *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_explains_itself(checkout: Path, commands: Path) -> None:
    for arguments in ([], ["--help"]):
        answer = ran(checkout, *arguments, path=commands)
        assert answer.returncode == 0
        for name in ("demo", "serve", "test", "check", "bench", "generate"):
            assert f"./run {name}" in answer.stdout


def test_it_can_be_started_while_another_start_makes_the_environment(
    checkout: Path, commands: Path
) -> None:
    (commands / "rm").symlink_to(str(shutil.which("rm")))
    begun, gate, python = checkout / "begun", checkout / "gate", checkout / "python"
    os.mkfifo(begun)
    os.mkfifo(gate)
    python.write_text(
        f'#!/bin/sh\n[ "$2" = venv ] || exec {sys.executable} "$@"\n'
        f"echo begun >{begun}; cat {gate}; exit 1\n"
    )
    python.chmod(0o755)
    environment = {
        "PATH": str(commands),
        "HOME": str(checkout),
        "OPTIGROUND_PYTHON": str(python),
    }
    with subprocess.Popen(["./run", "demo"], cwd=checkout, env=environment) as first:
        assert begun.read_text() == "begun\n"
        try:
            second = ran(checkout, "--help", path=commands)
        finally:
            gate.write_text("")
    assert second.returncode == 0
    assert first.returncode != 0


def test_an_unknown_command_is_refused_with_the_list(checkout: Path, commands: Path) -> None:
    answer = ran(checkout, "dmeo", path=commands)
    assert answer.returncode == 2
    assert "There is no ./run dmeo." in answer.stderr
    assert "./run demo" in answer.stderr


def test_without_a_python_it_says_what_to_install(checkout: Path, commands: Path) -> None:
    answer = ran(checkout, "demo", path=commands)
    assert answer.returncode == 1
    assert "Python 3.12 or 3.13" in answer.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    "body",
    [
        "echo 'pyenv: python3.13: command not found' >&2; exit 127",
        "exit 0 # never runs what it is given",
    ],
    ids=["a shim that fails", "a shim that does nothing"],
)
def test_a_python_is_believed_only_if_it_runs(checkout: Path, commands: Path, body: str) -> None:
    shim = commands / "python3.13"
    shim.write_text(f"#!/bin/sh\n{body}\n")
    shim.chmod(0o755)
    answer = ran(checkout, "demo", path=commands)
    assert answer.returncode == 1
    assert "None was found" in answer.stderr


def test_it_is_plain_posix_shell() -> None:
    if not (shell := shutil.which("dash")):
        pytest.skip("dash is not installed")
    subprocess.run([shell, "-n", ROOT / "run"], check=True)
    assert os.access(ROOT / "run", os.X_OK)
