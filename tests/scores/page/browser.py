"""Chromium without a window, driven over a pipe by its own protocol: no driver to install, no port, no library.

The protocol: https://chromedevtools.github.io/devtools-protocol/. JSON messages, each with a NUL behind it.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 20.0  # seconds


class Tab:
    """A page: what it says, and what it has done.

    Attributes:
        requests: the addresses that it asked for.
        complaints: errors and warnings on its console, and exceptions.
    """

    def __init__(self, into: int, out: int):
        self._into, self._out, self._held, self._number = into, out, b"", 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._events: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = ""
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.requests, self.complaints, self._events = [], [], []
        self._call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + PATIENCE
        while "Page.loadEventFired" not in self._events:
            self._read(end)

    def run(self, script: str) -> Any:
        """The value of an expression; a promise's, too."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """The first true value of an expression."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {script}")
            time.sleep(0.02)
        return value

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key, as a person does."""
        known = {"key": key, "windowsVirtualKeyCode": code, "text": text}
        self._call("Input.dispatchKeyEvent", type="keyDown", **known)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """The size of the window in pixels, and the theme that the system has."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("Emulation.setEmulatedMedia", media="", features=features)

    def print(self) -> None:
        """The page as on paper, until `look`."""
        self._call("Emulation.setEmulatedMedia", media="print")

    def shot(self, path: Path, *, whole: bool = True) -> None:
        """A picture of the page."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=whole, format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if getattr(self, "_session", ""):
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._read(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._held:
            if not select.select([self._out], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("the browser does not answer")
            self._held += os.read(self._out, 1 << 20)
        line, _, self._held = self._held.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        name, known = message.get("method", ""), message.get("params", {})
        self._events.append(name)
        if name == "Network.requestWillBeSent":
            self.requests.append(known["request"]["url"])
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(known["exceptionDetails"]))
        elif (name == "Runtime.consoleAPICalled" and known["type"] in ("error", "warning", "assert")) or (
            name == "Log.entryAdded" and known["entry"]["level"] in ("error", "warning")
        ):
            self.complaints.append(json.dumps(known))
        return message


@contextmanager
def chromium(profile: Path) -> Iterator[Tab]:
    """A browser with one page; ended at the end.

    Args:
        profile: a folder for what it keeps.
    """
    assert CHROMIUM
    theirs_in, into = os.pipe()
    out, theirs_out = os.pipe()

    def place() -> None:  # the protocol's pipes are files 3 and 4
        first, second = fcntl.fcntl(theirs_in, fcntl.F_DUPFD, 10), fcntl.fcntl(theirs_out, fcntl.F_DUPFD, 10)
        os.dup2(first, 3)
        os.dup2(second, 4)

    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
               "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={profile}")  # fmt: skip
    process = subprocess.Popen(
        (CHROMIUM, *options, "about:blank"), preexec_fn=place, close_fds=False, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Tab(into, out)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(into)
        os.close(out)
