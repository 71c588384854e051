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

HERE = Path(sys.argv[1])
REQUEST = json.loads((HERE / "job.json").read_text())
INPUTS = REQUEST["document"]["inputs"]


def write(name: str, document: object) -> None:
    temporary = HERE / f".{name}.new"
    temporary.write_text(json.dumps(document))
    temporary.rename(HERE / name)


def beat() -> None:
    while True:
        (HERE / "heartbeat").touch()
        time.sleep(0.2)


def end(status: str, **more: object) -> None:
    document = {"status": status, "outputs": {}, "problems": [], "message": status}
    write("result.json", {**document, "error_id": None, "refused": False, **more})


def succeed() -> None:
    (HERE / "output" / "word.txt").write_text("word")
    file = {"path": "word.txt", "sha256": "0", "size": 4, "type": "text/plain"}
    end("successful", outputs={"word": file, "attempt": REQUEST["attempt"]})


def stop(signum: int, frame: object) -> None:
    end("dismissed")
    sys.exit(1)


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.02)


threading.Thread(target=beat, daemon=True).start()
do = INPUTS["do"]
if do != "ignore-sigterm":
    signal.signal(signal.SIGTERM, stop)
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(HERE / "log.txt").write_text("a line of the log\n" * 20000)
(HERE / "scratch" / "big").write_bytes(bytes(100_000))
write("status.json", {"progress": 40, "message": "half way"})
if do == "succeed":
    succeed()
elif do == "succeed-when-told":
    wait_for(Path(INPUTS["gate"]))
    succeed()
elif do in ("sleep", "ignore-sigterm"):
    time.sleep(600)
elif do == "fail":
    problem = {"code": "no-overlap", "pointer": "", "value": None, "allowed": "", "message": "x"}
    end("failed", problems=[problem], refused=True, message="no overlap")
elif do == "lose-worker":
    problem = {"code": "worker-lost", "pointer": "", "value": None, "allowed": "", "message": "x"}
    end("failed", problems=[problem], message="a pool worker was lost")
elif do == "die":
    os.kill(os.getpid(), signal.SIGKILL)
elif do == "die-once":
    if REQUEST["attempt"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    succeed()
elif do == "lie":
    file = {"path": "../job.json", "sha256": "0", "size": (HERE / "job.json").stat().st_size}
    end("successful", outputs={"word": file})
elif do == "leave-children":
    # One in the session, one that left it; both outlive the leader.
    script = "import time; time.sleep(600)"
    subprocess.Popen([sys.executable, "-S", "-c", script])
    subprocess.Popen([sys.executable, "-S", "-c", script], start_new_session=True)
    succeed()
