"""Drives a real browser before real servers."""

import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0


class Browser:
    """Chromium, driven over the pipes of its DevTools protocol.

    Parameters
    ----------
    requested
        Addresses that pages have asked for.
    faults
        What the console and the policy of the pages had to complain about.
    questions
        What pages have asked the user.
    """

    def __init__(self, program: str, profile: Path) -> None:
        orders, self._orders = os.pipe()
        self._told, told = os.pipe()

        def place() -> None:
            # Where the protocol is spoken; neither may overwrite the other before it is copied.
            spare = os.dup(orders), os.dup(told)
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self._process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=place,  # noqa: PLW1509
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(orders)
        os.close(told)
        self._received = b""
        self._calls = 0
        self._session: str | None = None
        self.accepts = True
        self.requested: list[str] = []
        self.faults: list[str] = []
        self.questions: list[str] = []

    def open(self) -> None:
        """Open a page of its own, and listen to what happens there."""
        self._session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits"):
            self.call(f"{domain}.enable")
        self.show(1200, 900)

    def show(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def go(self, url: str) -> None:
        """Load a page, to the end."""
        self.call("Page.navigate", url=url)
        self.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        number = self._send(method, params)
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                result: dict[str, Any] = message["result"]
                return result

    def value(self, expression: str) -> Any:
        """The value of an expression on the page."""
        made = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in made, made
        return made["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of an expression as soon as it holds."""
        end = time.monotonic() + PATIENCE_S
        while not (found := self.value(expression)):
            assert time.monotonic() < end, (expression, self.faults)
            time.sleep(0.05)
        return found

    def close(self) -> None:
        """End the browser; it goes when nobody is there to give it orders."""
        os.close(self._orders)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._told)

    def _send(self, method: str, params: dict[str, Any]) -> int:
        self._calls += 1
        order = {"id": self._calls, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        os.write(self._orders, json.dumps(order).encode() + b"\0")
        return self._calls

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            assert select.select([self._told], [], [], PATIENCE_S)[0], "the browser is silent"
            piece = os.read(self._told, 1 << 16)
            assert piece, "the browser has ended"
            self._received += piece
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._heed(message.get("method", ""), message.get("params", {}))
        return message

    def _heed(self, event: str, about: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requested.append(about["request"]["url"])
        elif event in ("Runtime.exceptionThrown", "Audits.issueAdded"):
            self.faults.append(json.dumps(about))
        elif event == "Runtime.consoleAPICalled":
            self.faults.append(json.dumps(about["args"]))
        elif event == "Log.entryAdded":
            self.faults.append(about["entry"]["text"])
        elif event == "Page.javascriptDialogOpening":
            self.questions.append(about["message"])
            self._send("Page.handleJavaScriptDialog", {"accept": self.accepts})
