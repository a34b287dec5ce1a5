"""What `env check` says of the machine."""

from __future__ import annotations

import http.server
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.environments import surroundings as here
from orchestrator.environments.surroundings import Finding, surroundings


def finding(name: str, folder: Path = Path("/")) -> Finding:
    return {one.name: one for one in surroundings(folder)}[name]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_ENDPOINT", raising=False)


@pytest.fixture
def forbidding() -> Iterator[str]:
    class Forbidding(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Forbidding)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_room_that_is_enough_and_room_that_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(here, "DISK_GB", 0)
    assert finding("disk", tmp_path).note == ""
    assert finding("disk", tmp_path).found.endswith(f" GB free in {tmp_path}")
    monkeypatch.setattr(here, "DISK_GB", 10**9)
    assert "7B 15 GB" in finding("disk", tmp_path).note


def test_the_memory_of_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(here, "CGROUP", limit)
    for text, told in {"3000000000\n": True, "max\n": False}.items():
        limit.write_text(text)
        found = finding("memory")
        assert found.found.startswith("3 GB (as much as this container may have)") is told
        assert (found.note != "") or not told


def test_few_open_files_and_how_to_have_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for hard, more in ((resource.RLIM_INFINITY, "ulimit -n 4096"), (256, "ask whoever runs the machine")):
        monkeypatch.setattr(resource, "getrlimit", lambda _, hard=hard: (256, hard))
        assert finding("open files").found == "256 (ulimit -n)"
        assert more in finding("open files").note
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert finding("open files") == ("open files", "any number (ulimit -n)", "")


def test_the_hub_is_asked_unless_it_is_not_to_be(monkeypatch: pytest.MonkeyPatch, forbidding: str) -> None:
    assert finding("hub").found == "not asked: HF_HUB_OFFLINE is set"
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", f"http://user:secret@{forbidding}")
    assert finding("mirror of the hub") == ("mirror of the hub", f"{forbidding} answers", "")
    monkeypatch.setenv("HF_ENDPOINT", "http://user:secret@127.0.0.1:1")
    found = finding("mirror of the hub")
    assert found.found == "127.0.0.1:1 cannot be reached (ConnectionRefusedError)"
    assert "HF_ENDPOINT" in found.note
    monkeypatch.setenv("HF_ENDPOINT", "no address")
    assert "cannot be reached" in finding("mirror of the hub").found


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert finding("g++").found == "there is none"
    assert "apt" not in finding("g++").note
    assert "DeepSpeed" in finding("g++").note
