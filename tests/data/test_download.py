"""The download against a server on this machine that speaks the hub's protocol, as huggingface_hub asks for it."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from orchestrator.data import download as module
from orchestrator.data.download import LOCK, MANIFEST, REPOSITORY, download
from orchestrator.errors import InputError, OrchestratorError
from tests.shared import ROOT

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `hub`)")
COMMIT, OLDER, TOKEN = "c" * 40, "0" * 40, "hf_donotwritethis"
BASE = f"/datasets/{REPOSITORY}/resolve/"


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("AnnoMI-client/video/a.mp4")
        info.size = 200_000
        tar.addfile(info, io.BytesIO(hashlib.shake_256(b"x").digest(200_000)))
    return buffer.getvalue()


class Hub(ThreadingHTTPServer):
    """A hub with one data set; ``requests`` holds what was asked for: method, path, range, authorization."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            "README.md": b"card",
            "MELD/train.tsv": b"id\ttext\tlabel\n1\tHi\tjoy\n",
            "MELD/test.tsv": b"id\ttext\tlabel\n2\tHo\tjoy\n",
            "AnnoMi-client/test.tsv": b"id\ttext\tlabel\na\tHo\tneutral\n",
            "AnnoMi-client/AnnoMI-client_video.tar.gz": archive(),
            "CH-SIMSv2.0/test.tsv": b"",
        }
        self.commits = {"main": COMMIT, "v1": OLDER, COMMIT: COMMIT, OLDER: OLDER}
        self.requests: list[tuple[str, str, str, str]] = []
        self.error: tuple[int, str] | None = None  # of /resolve/
        self.cut: int | None = None  # bytes of a large file after which the connection is cut
        self.ranges, self.damage = True, False

    def asked(self, method: str, part: str) -> list[tuple[str, str, str, str]]:
        return [request for request in self.requests if request[0] == method and part in request[1]]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, code: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(code)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.server, unquote(urlsplit(self.path).path)
        headers = self.headers
        hub.requests.append((self.command, path, headers.get("Range", ""), headers.get("Authorization", "")))
        if path.startswith("/api/"):
            self.api(path)
        elif path.startswith("/store/"):
            self.content(hub.files[path.removeprefix("/store/")])
        elif hub.error:
            self.reply(hub.error[0], X_Error_Code=hub.error[1])
        elif path.startswith(BASE):
            commit, _, name = path.removeprefix(BASE).partition("/")
            body = hub.files[name]
            known = {"X_Repo_Commit": commit, "ETag": f'"{git_hash(body)}"', "Accept_Ranges": "bytes"}
            if name.endswith(".gz"):  # git-lfs: elsewhere, at an address of its own
                where = f"http://localhost:{hub.server_port}/store/{name}"
                sha = hashlib.sha256(body).hexdigest()
                self.reply(302, Location=where, X_Linked_Etag=f'"{sha}"', X_Linked_Size=len(body), **known)
            else:
                self.reply(200, body, **known)
        else:
            self.reply(404, X_Error_Code="RepoNotFound")

    def api(self, path: str) -> None:
        hub = self.server
        head = f"/api/datasets/{REPOSITORY}"
        if not path.startswith(head):
            return self.reply(404, X_Error_Code="RepoNotFound")
        kind, _, rest = path.removeprefix(head).strip("/").partition("/")
        commit = hub.commits.get(rest)
        if commit is None:
            return self.reply(404, X_Error_Code="RevisionNotFound")
        if kind == "revision":
            answer: Any = {"id": REPOSITORY, "sha": commit, "siblings": [], "private": False, "tags": []}
        else:
            answer = [{"type": "directory", "path": "MELD", "oid": "1" * 40, "size": 0}]
            for name, body in hub.files.items():
                entry = {"type": "file", "path": name, "oid": git_hash(body), "size": len(body)}
                if name.endswith(".gz"):
                    sha = hashlib.sha256(body).hexdigest()
                    entry["lfs"] = {"oid": sha, "size": len(body), "pointerSize": 134}
                answer.append(entry)
        return self.reply(200, json.dumps(answer).encode(), Content_Type="application/json")

    def content(self, body: bytes) -> None:
        hub, start = self.server, 0
        if hub.damage:
            body = body[:-1] + b"x"
        total = len(body)
        if hub.ranges and (asked := self.headers.get("Range")):
            start = int(asked.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(total - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[start : hub.cut])
            if hub.cut is not None:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True


def git_hash(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    yield server
    server.shutdown()
    server.server_close()


def files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and ".lock" not in path.name)


def test_chosen_data_sets_at_a_pinned_commit(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "data"
    download(["meld", "Ch-sims"], out)
    assert files(out) == ["CH-SIMSv2.0/test.tsv", "MELD/test.tsv", "MELD/train.tsv", MANIFEST]
    assert (out / "MELD" / "train.tsv").read_bytes() == hub.files["MELD/train.tsv"]
    manifest = json.loads((out / MANIFEST).read_text())
    assert (manifest["repository"], manifest["revision"], manifest["commit"]) == (REPOSITORY, "main", COMMIT)
    assert list(manifest["files"]) == ["CH-SIMSv2.0/test.tsv", "MELD/test.tsv", "MELD/train.tsv"]
    # everything after the first question is asked of the commit
    assert all(COMMIT in request[1] or "/revision/main" in request[1] for request in hub.requests)
    assert all(request[3] == f"Bearer {TOKEN}" for request in hub.requests)
    assert TOKEN not in (out / MANIFEST).read_text() + "".join(capsys.readouterr())

    # main moves on: without --revision it stays the commit of the manifest, and nothing is fetched again
    hub.commits["main"], hub.requests[:] = OLDER, []
    download(["MELD"], out)
    assert not hub.asked("GET", "/resolve/")
    hub.files["MELD/test.tsv"] += b"3\tHa\tjoy\n"
    download(["MELD"], out, "main")
    assert [request[1].rpartition("/")[2] for request in hub.asked("GET", "/resolve/")] == ["test.tsv"]
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["commit"] == OLDER
    assert [entry["commit"] for entry in manifest["files"].values()] == [COMMIT, OLDER, OLDER]


def test_archives_come_from_elsewhere_without_the_token_and_are_unpacked(hub: Hub, tmp_path: Path) -> None:
    download(["AnnoMi-client"], tmp_path)
    assert (tmp_path / "AnnoMi-client" / "video" / "a.mp4").stat().st_size == 200_000
    ((_, _, _, authorization),) = hub.asked("GET", "/store/")
    assert authorization == ""
    download(["AnnoMi-client"], tmp_path, videos=False)
    assert len(hub.asked("GET", "/store/")) == 1


def test_no_videos(hub: Hub, tmp_path: Path) -> None:
    download([], tmp_path, videos=False)
    assert files(tmp_path) == sorted([*(name for name in hub.files if name.endswith(".tsv")), MANIFEST])
    assert not hub.asked("HEAD", "tar.gz")


def test_goes_on_where_it_stopped(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what a cut may cost (10 MB)
    name = "AnnoMi-client/AnnoMI-client_video.tar.gz"
    whole = hub.files[name]
    hub.cut = 100_000
    with pytest.raises(OrchestratorError, match="goes on where it stopped"):
        download(["AnnoMi-client"], tmp_path)
    (partial,) = (tmp_path / ".partial").iterdir()
    assert partial.read_bytes() == whole[:100_000]
    assert not (tmp_path / name).exists()
    hub.cut, hub.requests[:] = None, []
    download(["AnnoMi-client"], tmp_path)
    assert [request[2] for request in hub.asked("GET", "/store/")] == ["bytes=100000-"]
    assert (tmp_path / name).read_bytes() == whole
    assert not (tmp_path / ".partial").exists()

    # a server that knows no ranges sends all of it
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / partial.name).write_bytes(whole[:5000])
    (tmp_path / name).write_bytes(whole[:7])
    hub.ranges = False
    download(["AnnoMi-client"], tmp_path)
    assert (tmp_path / name).read_bytes() == whole


def test_damage_is_seen_and_mended(hub: Hub, tmp_path: Path) -> None:
    hub.damage = True
    with pytest.raises(OrchestratorError, match="its hash differs"):
        download(["AnnoMi-client"], tmp_path)
    hub.damage = False
    download(["AnnoMi-client", "MELD"], tmp_path)
    (tmp_path / MANIFEST).unlink()
    path = tmp_path / "MELD" / "test.tsv"
    path.write_bytes(path.read_bytes().replace(b"Ho", b"No"))
    hub.requests.clear()
    download(["AnnoMi-client", "MELD"], tmp_path)
    assert path.read_bytes() == hub.files["MELD/test.tsv"]
    assert len(hub.asked("GET", "/resolve/")) == 1


def test_the_users_own_files_are_kept(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "MELD" / "test.tsv"
    path.parent.mkdir()
    path.write_text("my own labels")
    download(["MELD"], tmp_path)
    assert f"{path}: yours is not the published file; it is kept as test.tsv.orig\n" in capsys.readouterr().err
    assert path.with_name("test.tsv.orig").read_text() == "my own labels"
    # edited at the same size: the record is not believed
    edited = path.read_bytes().replace(b"joy", b"yoj")
    path.write_bytes(edited)
    download(["MELD"], tmp_path)
    assert path.with_name("test.tsv.orig2").read_bytes() == edited
    assert path.read_bytes() == hub.files["MELD/test.tsv"]
    # what was fetched is replaced by another version without a copy
    hub.files["MELD/test.tsv"] += b"3\tHa\tjoy\n"
    hub.commits["main"] = OLDER
    capsys.readouterr()
    download(["MELD"], tmp_path, "main")
    assert path.read_bytes() == hub.files["MELD/test.tsv"]
    assert "yours" not in capsys.readouterr().err
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "test.tsv", "test.tsv.orig", "test.tsv.orig2", "train.tsv"
    ]  # fmt: skip


def test_the_users_own_archive_is_kept(hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "AnnoMi-client" / "AnnoMI-client_video.tar.gz"
    path.parent.mkdir()
    path.write_bytes(b"mine")
    download(["AnnoMi-client"], tmp_path)
    assert path.with_name(f"{path.name}.orig").read_bytes() == b"mine"
    assert (path.parent / "video" / "a.mp4").exists()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ((403, "GatedRepo"), 2, "is gated, and you have no access\n    ask for access on its page"),
        ((401, "GatedRepo"), 2, "is gated"),
        (
            (401, "RepoNotFound"),
            2,
            r"or it is private, or the token is wrong \(401\)\n    check the name and",
        ),
        ((401, ""), 1, "answers 401: the token is not valid"),
        ((403, ""), 1, "answers 403: no access"),
        ((404, "EntryNotFound"), 1, "answers 404"),
    ],
)
def test_refusals(hub: Hub, tmp_path: Path, error: tuple[int, str], code: int, message: str) -> None:
    hub.error = error
    with pytest.raises(OrchestratorError, match=message) as raised:
        download(["MELD"], tmp_path)
    assert raised.value.exit_code == code
    assert "127.0.0.1" not in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_names_revisions_and_repositories(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data set `MELT`\n    did you mean `MELD`"):
        download(["MELT"], tmp_path)
    with pytest.raises(InputError, match="no revision `v9`"):
        download(["MELD"], tmp_path, "v9")
    with pytest.raises(InputError, match="no data set x/y"):
        download(["MELD"], tmp_path, repository="x/y")
    hub.files["../evil.tsv"] = b"x"
    with pytest.raises(OrchestratorError, match="leads out of the folder"):
        download(["MELD"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    download_version = {"MELD/test.tsv": hub.files["MELD/test.tsv"]}
    hub.files = download_version
    download(["MELD"], tmp_path, "v1")
    assert json.loads((tmp_path / MANIFEST).read_text())["revision"] == "v1"


def test_no_room(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=module.KEPT_FREE + 300_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"needs 0.2 MB and 0.2 MB for the unpacked videos, 0.3 MB are free"):
        download(["AnnoMi-client"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
    download(["AnnoMi-client"], tmp_path / "new", videos=False)


def test_offline(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://user:secret@127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(OrchestratorError, match="cannot be reached") as raised:
            download(["MELD"], tmp_path)
    assert "secret" not in str(raised.value)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "data", "download", "--out", str(tmp_path)],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE is set" in done.stderr


def test_without_huggingface_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[hub\]'"):
        download(["MELD"], tmp_path)


def test_one_download_at_a_time_fills_a_folder(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "AnnoMi-client/AnnoMI-client_video.tar.gz"
    began, go_on, really = threading.Event(), threading.Event(), module.fetch

    def slow(repository: str, commit: str, file: module.Remote, out: Path) -> None:
        if file.path == name and not go_on.is_set():
            partial = module.partial_file(out, file)
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(hub.files[name][:1000])
            began.set()
            assert go_on.wait(30)
        really(repository, commit, file, out)

    monkeypatch.setattr(module, "fetch", slow)
    first = threading.Thread(target=download, args=(["AnnoMi-client"], tmp_path))
    first.start()
    assert began.wait(30)
    hub.requests.clear()
    expected = rf"another download fills this folder \(process {os.getpid()}\)\n    wait for it .* with --out"
    with pytest.raises(InputError, match=expected):
        download(["AnnoMi-client", "MELD"], tmp_path)
    assert not hub.asked("GET", "/resolve/")
    assert not hub.asked("GET", "/store/")
    download(["MELD"], tmp_path / "elsewhere")  # another folder is another matter
    go_on.set()
    first.join(30)
    assert (tmp_path / name).read_bytes() == hub.files[name]
    assert not (tmp_path / LOCK).exists()
    download(["AnnoMi-client", "MELD"], tmp_path)
    assert set(json.loads((tmp_path / MANIFEST).read_text())["files"]) >= {name, "MELD/test.tsv"}


def test_a_folder_that_cannot_be_written(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path))

    monkeypatch.setattr(module, "work_lock", refuse)
    with pytest.raises(InputError, match=r"cannot be written: Read-only file system\n.* another folder with --out"):
        download(["MELD"], tmp_path)


def test_a_setting_of_older_libraries_is_of_no_harm(hub: Hub, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "orchestrator", "data", "download", "--dataset", "MELD", "--out", str(tmp_path)]
    env = os.environ | {"HF_HUB_ENABLE_HF_TRANSFER": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    assert "hf_transfer" not in done.stderr.lower()
    assert (tmp_path / "MELD" / "test.tsv").read_bytes() == hub.files["MELD/test.tsv"]
