"""The server under load: submissions, polls, waits, and clients that are far too slow.

Each figure is taken with two mpic-opt jobs computing and 100,000 finished jobs in the store; the
clients run in one further process on the same machine.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from benchmarks.load import scene
from benchmarks.result import Result
from benchmarks.services import free_port, nginx, postgresql
from core.simulate import fault
from server.demo import Client, server

DATABASES = ("sqlite", "postgresql")
FINISHED = 100_000
COMPUTING, QUEUED = 2, 8
SLOW = 650
WARM_UP_S = 5.0
LOOKS_S = (10.0, 29.8)
"""After the warm-up, when the memory of the server is looked at."""
PATIENCE_S = 120.0
BODY = json.dumps(
    {
        "inputs": {
            "stringInput": "a text of some length, as clients send it",
            "arrayInput": [1, 2, 3, 4, 5],
            "bboxInput": {"bbox": [7.0, 51.9, 7.1, 52.0]},
            "objectInput": {"value": "teststring"},
            "mixedInput": 3.5,
        }
    }
)
"""An input of each kind, so that each is validated."""
JSON = {"Content-Type": "application/json", "Prefer": "respond-async"}


def run(*databases: str) -> Iterator[Result]:
    # Whoever ends this ends the servers too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for database in databases or DATABASES:
        with ExitStack() as stack:
            yield from Busy(stack, database).phases()


class Busy:
    """A server with much in its store and much to do.

    Parameters
    ----------
    stack
        Ends what is started here.
    database
        ``sqlite`` or ``postgresql``.
    """

    def __init__(self, stack: ExitStack, database: str) -> None:
        self.database = database
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="load-")))
        self.data = folder / "server" / "data"
        self.data.mkdir(parents=True)
        self.proxy_port = free_port()
        url = f"sqlite:///{self.data / 'optiground.sqlite'}"
        if database == "postgresql":
            url = f"{stack.enter_context(postgresql())}/postgres"
        scene.fill(url, FINISHED)
        self.client: Client = stack.enter_context(
            server(
                folder / "server",
                database=url,
                public_url=f"https://localhost:{self.proxy_port}/optiground",
                queue_limit=10_000,
                user_queue_limit=10_000,
            )
        )
        self.stack = stack
        self.done = self._small_job(folder)
        self.waiting: list[str] = []
        pair = scene.large_pair(folder)
        inputs = {
            name: self.client.upload(path)
            for name, path in zip(("reference", "secondary"), pair, strict=True)
        }
        self.computing = [self._submit("mpic-opt", inputs) for _ in range(QUEUED)]
        self._until(lambda: self._computing() == COMPUTING)

    def phases(self) -> Iterator[Result]:
        case = "200 submissions/s"
        told = self._submitting(case, 30.0, fresh=False)
        self.waiting = told["jobs"]
        yield self._result(case, told, "submit")
        case = "200 submissions/s, each on a connection of its own"
        yield self._result(case, self._submitting(case, 5.0, fresh=True), "submit")
        case = "500 clients polling"
        yield self._result(case, self._load(case, self._polling(60.0)), "poll")
        case = "500 clients polling, 100 with wait=20"
        told = self._load(case, self._polling(32.0) | {"waiters": 100, "wait_s": 20})
        told["figures"]["poll"]["waits_granted"] = told["granted"]
        yield self._result(case, told, "poll")
        case = f"500 clients polling through nginx, {SLOW} slow ones"
        yield self._result(case, self._through_nginx(case), "poll")

    def _submitting(self, case: str, seconds: float, *, fresh: bool) -> dict[str, Any]:
        told = self._load(case, {"rate": 200, "fresh": fresh, "seconds": seconds})
        # Those of the warm-up too; a job that two requests were told counts as missing.
        told["figures"]["submit"]["missing"] = len(told["jobs"]) - self._found(told["jobs"])
        return told

    def _through_nginx(self, case: str) -> dict[str, Any]:
        upstream = int(self.client.url.rpartition(":")[2])
        folder = self.stack.enter_context(nginx(self.proxy_port, upstream))
        proxy = {
            "url": f"https://localhost:{self.proxy_port}/optiground",
            "ca": str(folder / "optiground.crt"),
        }
        slow = proxy | {
            "half_headers": 300,
            "dripping": 300,
            "stalled": 50,
            "download": f"{self.done}/archive.zip",
            # They come one by one, and stay until the others have gone.
            "warm_up_s": 12.0,
            "seconds": 45.0,
        }
        with self._client(slow) as beside:
            _await(beside, "begun")
            told = self._load(case, self._polling(32.0) | proxy)
            held = json.loads(_output(beside).read())
        if held["broken"] != {"CancelledError": SLOW}:
            raise RuntimeError(f"not all slow clients stayed: {held['broken']}")
        return told

    def _polling(self, seconds: float) -> dict[str, Any]:
        # What is running, what waits, and what has ended.
        paths = [*self.computing[:2], *(f"/jobs/{name}" for name in self.waiting[:400]), self.done]
        return {"clients": 500, "paths": paths, "seconds": seconds}

    def _load(self, case: str, plan: dict[str, Any]) -> dict[str, Any]:
        """Let the client process carry a plan out, and look at the server meanwhile."""
        with self._client(plan) as process:
            _await(process, "begun")
            begun, looks = time.monotonic(), []
            for moment in LOOKS_S:
                if moment < plan["seconds"]:
                    time.sleep(max(0.0, begun + moment - time.monotonic()))
                    looks.append(scene.memory(self.data))
            told: dict[str, Any] = json.loads(_output(process).read())
        if self._computing() != COMPUTING:
            raise RuntimeError(f"{case}: there are not {COMPUTING} jobs computing")
        told["growth"] = _growth(looks)
        return told

    @contextmanager
    def _client(self, plan: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
        plan = {"url": self.client.url, "body": BODY, "warm_up_s": WARM_UP_S} | plan
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdin is not None
                process.stdin.write(json.dumps(plan))
                process.stdin.close()
                yield process
            finally:
                process.terminate()

    def _result(self, case: str, told: dict[str, Any], kind: str) -> Result:
        figures = told["figures"][kind] | told["growth"] | {"client_cpu_s": told["cpu_s"]}
        return Result("load", f"{self.database}: {case}", "optiground-server", figures)

    def _small_job(self, folder: Path) -> str:
        """A job whose results can be downloaded; its path."""
        (folder / "small").mkdir()
        pair = fault.make_pair(folder / "small", shape=(1024, 1024))
        path = self._submit(
            "mpic-opt",
            {
                "reference": self.client.upload(pair.reference),
                "secondary": self.client.upload(pair.secondary),
            },
        )
        self._until(lambda: self.client.json(path)["status"] == "successful")
        return path

    def _submit(self, process: str, inputs: dict[str, Any]) -> str:
        body = json.dumps({"inputs": inputs}).encode()
        where = f"/processes/{process}/execution"
        made = self.client.ask("POST", where, body=body, headers=JSON).json()
        return f"/jobs/{made['jobID']}"

    def _computing(self) -> int:
        listed = self.client.json("/jobs?status=running&processID=mpic-opt")
        return int(listed["numberMatched"])

    def _found(self, names: list[str]) -> int:
        """How many jobs there are of these names, each asked for by itself."""
        return sum(self.client.json(f"/jobs/{name}")["jobID"] == name for name in set(names))

    def _until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end:
                raise RuntimeError("it did not come to hold")
            time.sleep(0.1)


def _output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def _await(process: subprocess.Popen[str], line: str) -> None:
    if _output(process).readline() != f"{line}\n":
        raise RuntimeError(f"the client did not come to say {line!r}")


def _growth(looks: list[dict[str, int]]) -> dict[str, float]:
    """By how much the memory of each kind of process grew between two looks, at most."""
    if len(looks) < 2:
        return {}
    early, late = looks
    if early.keys() != late.keys():
        raise RuntimeError("a process of the server ended meanwhile")
    worst: dict[str, float] = {}
    for name, before in early.items():
        kind = f"{name.partition(' ')[0]}_growth_percent"
        worst[kind] = max(worst.get(kind, -100.0), 100.0 * (late[name] / before - 1.0))
    return worst
