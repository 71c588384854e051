"""What is built from the project works away from it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("core", "processes", "server")


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built, so that nothing is left behind in the project."""
    copy = tmp_path_factory.mktemp("sources")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = ["-m", "build", "--no-isolation", "--outdir", str(out), str(sources)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_module_and_all_data_of_the_server(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    for name in PACKAGES:
        for path in (ROOT / name).rglob("*"):
            wanted = path.suffix == ".py" or (name == "server" and path.suffix != ".pyc")
            if path.is_file() and wanted and "__pycache__" not in path.parts:
                assert path.relative_to(ROOT).as_posix() in packed
    assert any(name.endswith("licenses/LICENSE") for name in packed)


def test_the_source_distribution_can_be_built_from(wheel: Path) -> None:
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "core/cli/__init__.py"} <= names


def test_the_wheel_serves_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path)
    # The packages it depends on are lent, since they take minutes; ours are not on that path.
    lent = python.parents[1] / "lib" / python_folder() / "site-packages" / "lent.pth"
    lent.write_text(sysconfig.get_path("purelib") + "\n")
    pip(python, "install", "--no-deps", "--no-index", str(wheel))
    assert_serves(python, tmp_path)


@pytest.mark.slow
def test_the_locked_packages_are_all_that_the_wheel_needs(wheel: Path, tmp_path: Path) -> None:
    python = environment(tmp_path)
    lock = str(ROOT / "requirements.lock")
    pip(python, "install", "--require-hashes", "--only-binary", ":all:", "-r", lock)
    pip(python, "install", "--no-deps", "--no-index", str(wheel))
    pip(python, "check")
    assert_serves(python, tmp_path)


def environment(folder: Path) -> Path:
    venv.create(folder / "environment", with_pip=True)
    return folder / "environment" / "bin" / "python"


def python_folder() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def pip(python: Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", *arguments], check=True, capture_output=True)


def assert_serves(python: Path, folder: Path) -> None:
    """The server answers, runs a job in a process of its own, and stops when it is asked to."""
    with server(python, folder) as url:
        process = fetched(f"{url}/processes/mpic-opt")
        assert process["id"] == "mpic-opt"
        inputs = {"inputs": {"stringInput": "Value1"}}
        job = fetched(f"{url}/processes/echo/execution", inputs, {"Prefer": "respond-async"})
        until(lambda: fetched(f"{url}/jobs/{job['jobID']}")["status"] in ("successful", "failed"))
        assert fetched(f"{url}/jobs/{job['jobID']}")["status"] == "successful"


@contextmanager
def server(python: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "OPTIGROUND_DATA": str(folder / "data"),
        "OPTIGROUND_PORT": str(port),
        "OPTIGROUND_FREE_SPACE_MIN": "0",
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPTIGROUND_", "PYTHON"))}
    process = subprocess.Popen(
        [python.with_name("optiground-server"), "serve"], cwd=folder, env=kept | settings
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: process.poll() is not None or is_healthy(url))
        assert process.poll() is None
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()


def is_healthy(url: str) -> bool:
    try:
        return bool(fetched(f"{url}/health"))
    except (urllib.error.URLError, ConnectionError):
        return False


def fetched(url: str, body: object = None, headers: dict[str, str] | None = None) -> dict:
    data = None if body is None else json.dumps(body).encode()
    sent = {"Accept": "application/json", "Content-Type": "application/json"} | (headers or {})
    with urllib.request.urlopen(urllib.request.Request(url, data, sent)) as answer:
        return json.load(answer)


def until(condition, limit_s: float = 300.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


RUN_AS_A_JOB = """
import subprocess, sys
from pathlib import Path
from core.job import child_environment, kernel_cache
base = Path(sys.argv[1])
environment = child_environment(base, cache=kernel_cache(base))
code = "from core.matching.outer import outer; print(outer(1.0))"
subprocess.run([sys.executable, "-c", code], env=environment, check=True)
"""


def test_a_compiled_helper_that_changed_in_another_module_takes_effect(
    sources: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(sources, project)
    (tmp_path / "cache").mkdir()
    inner, outer = (project / "core" / "matching" / f"{n}.py" for n in ("inner", "outer"))
    imported = "from core.kernel import kernel\n"
    outer.write_text(
        f"{imported}from core.matching.inner import inner\n"
        "@kernel\ndef outer(x):\n    return inner(x) + 1.0\n"
    )

    def answer(factor: float) -> float:
        inner.write_text(f"{imported}@kernel\ndef inner(x):\n    return x * {factor}\n")
        ran = subprocess.run(
            [sys.executable, "-c", RUN_AS_A_JOB, str(tmp_path / "cache")],
            env=os.environ | {"PYTHONPATH": str(project)},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return float(ran.stdout)

    assert answer(2.0) == 3.0
    assert any((tmp_path / "cache").rglob("*.nbc"))
    assert answer(5.0) == 6.0
