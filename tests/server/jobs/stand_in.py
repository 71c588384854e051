"""Stands in for ``optiground run --job DIR``: starts in milliseconds and does as it is told.

The input ``do`` of the request says what; the files are those of a real job.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

WORKER_LOST = {"code": "worker-lost", "pointer": "", "value": None, "allowed": "", "message": "x"}
NO_OVERLAP = WORKER_LOST | {"code": "no-overlap"}


class Job:
    def __init__(self, here: Path) -> None:
        self.here = here
        self.request = json.loads((here / "job.json").read_text())
        self.inputs: dict[str, Any] = self.request["document"]["inputs"]

    def write(self, name: str, document: object) -> None:
        temporary = self.here / f".{name}.new"
        temporary.write_text(json.dumps(document))
        temporary.rename(self.here / name)

    def beat(self) -> None:
        while True:
            (self.here / "heartbeat").touch()
            time.sleep(0.2)

    def end(self, status: str, **more: object) -> None:
        document = {"status": status, "outputs": {}, "problems": [], "message": status}
        self.write("result.json", {**document, "error_id": None, "refused": False, **more})

    def stop(self, *_: object) -> None:
        self.end("dismissed")
        sys.exit(1)

    def begin(self) -> None:
        threading.Thread(target=self.beat, daemon=True).start()
        stubborn = self.inputs["do"] == "ignore-sigterm"
        signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else self.stop)
        (self.here / "log.txt").write_text("a line of the log\n" * 20000)
        (self.here / "scratch" / "big").write_bytes(bytes(100_000))
        self.write("status.json", {"progress": 40, "message": "half way"})

    def run(self) -> None:
        self.begin()
        deed = getattr(self, "do_" + self.inputs["do"].replace("-", "_"))
        deed()

    def do_succeed(self) -> None:
        (self.here / "output" / "word.txt").write_text("word")
        file = {"path": "word.txt", "sha256": "0", "size": 4, "type": "text/plain"}
        self.end("successful", outputs={"word": file, "attempt": self.request["attempt"]})

    def do_succeed_when_told(self) -> None:
        while not Path(self.inputs["gate"]).exists():
            time.sleep(0.02)
        self.do_succeed()

    def do_sleep(self) -> None:
        time.sleep(600)

    do_ignore_sigterm = do_sleep

    def do_fail(self) -> None:
        self.end("failed", problems=[NO_OVERLAP], refused=True, message="no overlap")

    def do_lose_worker(self) -> None:
        self.end("failed", problems=[WORKER_LOST], message="a pool worker was lost")

    def do_die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def do_die_once(self) -> None:
        if self.request["attempt"] == 1:
            self.do_die()
        self.do_succeed()

    def do_lie(self) -> None:
        size = (self.here / "job.json").stat().st_size
        file = {"path": "../job.json", "sha256": "0", "size": size}
        self.end("successful", outputs={"word": file})

    def do_hang_at_the_end(self) -> None:
        self.do_succeed()
        self.do_sleep()

    def do_leave_children(self) -> None:
        # One in the session, one that left it; both outlive the leader.
        script = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        subprocess.Popen(script)
        subprocess.Popen(script, start_new_session=True)
        self.do_succeed()


if __name__ == "__main__":
    Job(Path(sys.argv[1])).run()
