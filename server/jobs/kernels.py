"""Compiles the numerical kernels before the first job, so that no job waits for it."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.job import kernel_cache, user_cache

_COMPLETE = ".complete"
_TICK_S = 0.1

log = logging.getLogger(__name__)


def warm(cache: Path, stopping: Callable[[], bool]) -> None:
    """Fill a folder of compiled kernels, unless it is full already.

    What the command line has compiled for this code and this processor is copied, not made again.

    Parameters
    ----------
    cache
        As :func:`core.job.kernel_cache` names it.
    stopping
        Asked again and again whether to give up.
    """
    if (cache / _COMPLETE).exists():
        return
    made = kernel_cache(user_cache())
    if made != cache and made.is_dir():
        shutil.copytree(made, cache, dirs_exist_ok=True)
    command = [sys.executable, "-m", "core", "compile", "--cache", str(cache)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True) as compiling:
        while compiling.poll() is None:
            if stopping():
                os.killpg(compiling.pid, signal.SIGKILL)
            time.sleep(_TICK_S)
    if compiling.returncode == 0:
        (cache / _COMPLETE).touch()
    elif not stopping():
        log.error("the kernels could not be compiled; each job will try")
