import subprocess
import sys

MISSED = """
import importlib, pkgutil
import core
from numba.core.registry import CPUDispatcher
from core.pipelines.warming import warm

names = [module.name for module in pkgutil.walk_packages(core.__path__, "core.")]
modules = [importlib.import_module(name) for name in names if not name.endswith("__main__")]
warm()
for module in modules:
    own = {
        name: member
        for name, member in vars(module).items()
        if isinstance(member, CPUDispatcher) and member.py_func.__module__ == module.__name__
    }
    # These are compiled with those that call them.
    called = {name for member in own.values() for name in member.py_func.__code__.co_names}
    for name in own.keys() - called:
        print("compiled" if own[name].signatures else "missed", module.__name__, name)
"""


def test_no_job_waits_for_a_loop_to_be_compiled() -> None:
    found = subprocess.run(
        [sys.executable, "-c", MISSED], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    # No job simulates images.
    found = [line for line in found if "core.simulate." not in line]
    assert [line for line in found if line.startswith("missed")] == []
    assert len(found) > 20
