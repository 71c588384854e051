"""A dispatcher as a process, running the stand-in: ``dispatch.py SETTINGS.json``."""

import json
import logging
import signal
import sys
from pathlib import Path

from server.jobs import dispatcher as module
from server.settings import read_settings

STAND_IN = Path(__file__).with_name("stand_in.py")


def command(directory: Path) -> list[str]:
    return [sys.executable, "-S", "-E", str(STAND_IN), str(directory)]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    module.warm = lambda cache, stopping: None  # The stand-in has no kernels.
    settings = read_settings(environ={}, **json.loads(sys.argv[1]))
    one = module.Dispatcher(settings, command)
    signal.signal(signal.SIGTERM, lambda *_: one.stop())
    one.run()
