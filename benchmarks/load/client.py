"""Clients by the hundred in one process: sends by the clock, whatever the answers take.

Run as ``python -m benchmarks.load.client``.  It reads a plan (JSON) from its standard input, writes
``begun`` when the warm-up is over, and at the end what it saw (JSON).  Latency counts from the
moment at which a request was to be sent to the last byte of its answer; how late this process
itself was to send it is told beside it.
"""

import asyncio
import gc
import json
import math
import ssl
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.load.wire import Address, Answer, Connection, Pool

CREATED, OK = 201, 200


@dataclass
class Seen:
    """What came of the requests of one kind."""

    latencies: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, float]:
        """Milliseconds of those answered, and how many were not answered as they should be."""
        return {
            "requests": len(self.latencies) + sum(self.errors.values()),
            "errors": sum(self.errors.values()),
            "p50_ms": 1000 * share(self.latencies, 0.5),
            "p99_ms": 1000 * share(self.latencies, 0.99),
            "max_ms": 1000 * share(self.latencies, 1.0),
            "lag_p99_ms": 1000 * share(self.lags, 0.99),
            "lag_max_ms": 1000 * share(self.lags, 1.0),
        }


def share(values: Sequence[float], part: float) -> float:
    """The value that this part of all values does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else 0.0


class Load:
    """The requests of one plan.

    Parameters
    ----------
    address
        Of the server.
    plan
        What is to be sent; its members are the parameters of the methods.
    """

    def __init__(self, address: Address, plan: dict[str, Any]) -> None:
        self.address = address
        self.plan = plan
        self.measured_from = 0.0
        self.seen = {"submit": Seen(), "poll": Seen(), "wait": Seen()}
        self.jobs: list[str] = []
        self.granted = 0
        self.held = 0

    async def run(self) -> dict[str, Any]:
        """Send everything; what came of it."""
        plan = self.plan
        held = [asyncio.create_task(work) for work in self._nuisances(plan["warm_up_s"])]
        begin = asyncio.get_running_loop().time() + 0.5
        self.measured_from = begin + plan["warm_up_s"]
        end = self.measured_from + plan["seconds"]
        work: list[Awaitable[None]] = [self._announce()]
        if plan.get("rate"):
            work.append(self._submissions(begin, end, plan["rate"], fresh=plan["fresh"]))
        pollers, waiters = plan.get("clients", 0), plan.get("waiters", 0)
        work += [self._polls(begin + one / pollers, end, one) for one in range(pollers)]
        work += [self._waits(begin + one / waiters, end) for one in range(waiters)]
        await asyncio.gather(*work)
        for task in held:
            task.cancel()
        ended = await asyncio.gather(*held, return_exceptions=True)
        return {
            "figures": {kind: seen.figures() for kind, seen in self.seen.items()},
            "errors": {kind: dict(seen.errors) for kind, seen in self.seen.items()},
            "jobs": self.jobs,
            "granted": self.granted,
            "held": self.held,
            # What held a connection to its end was cancelled, or sent away by the server.
            "broken": Counter(type(one).__name__ for one in ended if one is not None),
        }

    async def _announce(self) -> None:
        await until(self.measured_from)
        print("begun", flush=True)

    async def _submissions(self, begin: float, end: float, rate: float, *, fresh: bool) -> None:
        pool = Pool(self.address, most=0 if fresh else 256)
        body = self.address.request(
            "POST",
            "/processes/echo/execution",
            {"Prefer": "respond-async", "Content-Type": "application/json"},
            self.plan["body"].encode(),
            close=fresh,
        )
        sent = []
        for number in range(int((end - begin) * rate)):
            due = begin + number / rate
            await until(due)
            sent.append(asyncio.create_task(self._submit(pool, due, body)))
        await asyncio.gather(*sent)
        pool.close()

    async def _submit(self, pool: Pool, due: float, request: bytes) -> None:
        answer = await self._measured("submit", due, lambda: pool.ask(request), CREATED)
        if answer is not None:
            self.jobs.append(answer.header("location").rpartition("/")[2])

    async def _polls(self, begin: float, end: float, number: int) -> None:
        """One client, on one connection: opened in the warm-up and kept."""
        paths = self.plan["paths"]
        request = self.address.request("GET", paths[number % len(paths)], {})
        pool = Pool(self.address, most=1)
        due = begin
        while due < end:
            await until(due)
            await self._measured("poll", due, lambda: pool.ask(request), OK)
            due += 1.0
        pool.close()

    async def _waits(self, begin: float, end: float) -> None:
        """One client that wants to wait for its job; sent away, it comes again after a second."""
        request = self.address.request(
            "POST",
            "/processes/echo/execution",
            {
                "Prefer": f"respond-async, wait={self.plan['wait_s']}",
                "Content-Type": "application/json",
                "Idempotency-Key": uuid.uuid4().hex,
            },
            self.plan["body"].encode(),
        )
        due, loop, pool = begin, asyncio.get_running_loop(), Pool(self.address, most=1)
        while due < end:
            await until(due)
            answer = await self._measured("wait", due, lambda: pool.ask(request), CREATED)
            if answer is not None and "wait=" in answer.header("preference-applied"):
                self.granted += 1
            due = max(due + 1.0, loop.time())
        pool.close()

    async def _measured(
        self, kind: str, due: float, ask: Callable[[], Awaitable[Answer]], wanted: int
    ) -> Answer | None:
        loop, seen = asyncio.get_running_loop(), self.seen[kind]
        lag = loop.time() - due
        counts = due >= self.measured_from
        try:
            answer = await ask()
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            answer, told = None, type(error).__name__
        else:
            told = str(answer.status)
        if not counts:
            return answer
        if answer is None or answer.status != wanted:
            seen.errors[told] += 1
            return None
        seen.latencies.append(loop.time() - due)
        seen.lags.append(lag)
        return answer

    def _nuisances(self, spread_s: float) -> list[Awaitable[None]]:
        """Clients that hold connections and are far too slow; they come one after the other."""
        plan, address = self.plan, self.address
        head = address.request("GET", "/health", {"X-Slow": "x"})[:-4]
        body = address.request(
            "POST",
            "/processes/echo/execution",
            {"Content-Type": "application/json"},
            b'{"inputs": ' + b" " * 4000,
        )[:-4000]
        download = address.request("GET", plan.get("download", "/"), {})
        kinds = (
            (plan.get("half_headers", 0), head, False, False),
            (plan.get("dripping", 0), body, True, False),
            (plan.get("stalled", 0), download, False, True),
        )
        return [
            self._hold(spread_s * place / number, data, drip=drip, stalled=stalled)
            for number, data, drip, stalled in kinds
            for place in range(number)
        ]

    async def _hold(self, after_s: float, data: bytes, *, drip: bool, stalled: bool) -> None:
        """Send a beginning, and then a byte a second or nothing; again when that is cut off."""
        await asyncio.sleep(after_s)
        while True:
            self.held += 1
            connection = await Connection.open(self.address, small=stalled)
            if stalled:
                connection.stop_reading()
            connection.write(data)
            while drip and not connection.lost.done():
                await asyncio.sleep(1.0)
                connection.write(b" ")
            await connection.lost


async def until(due: float) -> None:
    """Sleep until the loop's clock shows `due`; not at all where that has passed."""
    left = due - asyncio.get_running_loop().time()
    if left > 0:
        await asyncio.sleep(left)


def main() -> int:
    plan = json.loads(sys.stdin.read())
    context = ssl.create_default_context(cafile=plan["ca"]) if plan.get("ca") else None
    address = Address.of(plan["url"], context)
    # A collection would hold up hundreds of requests, and there is hardly any garbage.
    gc.disable()
    started = time.process_time()
    told = asyncio.run(Load(address, plan).run())
    told["cpu_s"] = time.process_time() - started
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
