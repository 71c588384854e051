"""Requests for two processes at the same time: each is answered for its own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

COUNT, THREADS = 600, 16


def asked(number: int) -> tuple[str, dict[str, Any]]:
    """A process and inputs that tell this request from all others."""
    if number % 2:
        return "echo", {"stringInput": f"request {number}", "pause": 0.0}
    href = f"https://example.org/{number}.tif"
    return "mpic-opt", {"reference": {"href": href}, "secondary": {"href": "https://example.org"}}


def test_no_request_is_answered_for_the_process_of_another(
    server_with: Callable[..., Any],
) -> None:
    server = server_with(queue_limit=10_000, user_queue_limit=10_000, running_limit=1)

    def ask(number: int) -> str:
        process, inputs = asked(number)
        # Refused for what this process wants, and taken for the other: each tells who read it.
        path = f"{server.url}/processes/{process}/execution"
        wrong = requests.post(path, json={"inputs": {"other": number}}, timeout=60)
        assert ("stringInput" in wrong.text) == (process == "echo"), wrong.text
        answer = requests.post(
            path, json={"inputs": inputs}, headers={"Prefer": "respond-async"}, timeout=60
        )
        assert answer.status_code == 201, answer.text
        assert answer.json()["processID"] == process
        job = requests.get(f"{answer.headers['Location']}/request.json", timeout=60).json()
        assert job["process"] == process
        assert inputs.items() <= job["inputs"].items()
        return process

    with ThreadPoolExecutor(THREADS) as pool:
        answered = Counter(pool.map(ask, range(COUNT)))
    assert answered == {"echo": COUNT // 2, "mpic-opt": COUNT // 2}
    for process, count in answered.items():
        listed = server.get(f"/jobs?processID={process}&limit=1").json()
        assert listed["numberMatched"] == count


def test_synchronous_answers_are_those_to_the_request(running_server: Any) -> None:
    def ask(number: int) -> None:
        name = ("stringInput", "mixedInput")[number % 2]
        inputs = {"stringInput": f"text {number}", "mixedInput": f"mixed {number}"}
        answer = requests.post(
            f"{running_server.url}/processes/echo/execution",
            json={"inputs": inputs, "outputs": {name: {}}, "response": "raw"},
            headers={"Prefer": "wait=20"},
            timeout=60,
        )
        if answer.status_code == 200:
            assert answer.text == inputs[name]
        else:
            # All places for those who wait were taken: the job will have the answer.
            assert answer.status_code == 201, answer.text
            assert running_server.wait(answer.json()["jobID"])["status"] == "successful"
            results = requests.get(f"{answer.headers['Location']}/results", timeout=60)
            assert results.text == inputs[name]

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, range(THREADS)))
