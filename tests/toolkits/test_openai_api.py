"""The official OpenAI client against a server of our own that speaks its protocol and fails in the known ways."""

from __future__ import annotations

import base64
import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.environments.environment import Environment
from orchestrator.machine.processes import STAGE_MARK, marked
from tests.media import write_video
from tests.running import call
from tests.shared import ROOT
from tests.toolkits.inside import argv_of, program

KEY = "sk-test-0123456789abcdef-never-to-be-seen"
pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("openai_env")]
# status, body (a message is made into the body of an error), headers
Reply = tuple[int, Any, dict[str, str]]


def completion(text: str | None = "It is a question.", reason: str = "stop", **message: Any) -> Reply:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": text, **message}}
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "served-1", "choices": [choice]}
    return 200, {**body, "usage": usage, "system_fingerprint": "fp_1"}, {}


def failure(status: int, message: str, code: str | None = None, param: str | None = None, **headers: str) -> Reply:
    return status, {"error": {"message": message, "type": "t", "code": code, "param": param}}, headers


class Server:
    """Chat completions on localhost; ``reply(number of the utterance, which attempt, body)`` decides."""

    def __init__(self) -> None:
        self.reply: Callable[[int, int, dict[str, Any]], Reply] = lambda number, attempt, body: completion()
        self.asked: list[tuple[int, float, dict[str, Any], str]] = []
        self.open = self.most_open = 0
        lock, server = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                number = int(re.findall(r"Utterance (\d+)", text_of(body))[0])
                with lock:
                    attempt = server.times(number)
                    server.asked.append((number, time.monotonic(), body, self.headers["Authorization"]))
                    server.open += 1
                    server.most_open = max(server.most_open, server.open)
                known = self.path == "/v1/chat/completions"
                status, content, headers = server.reply(number, attempt, body) if known else failure(404, "no page")
                with lock:
                    server.open -= 1
                text = content if isinstance(content, str) else json.dumps(content)
                self.send_response(status)
                kind = "text/html" if isinstance(content, str) else "application/json"
                for name, value in ({"Content-Type": kind, "Content-Length": str(len(text))} | headers).items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the client was killed, or lost its patience
                    super().handle()

        class Http(ThreadingHTTPServer):
            request_queue_size = 128

        self.http = Http(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def times(self, number: int) -> int:
        return sum(asked == number for asked, *_ in self.asked)


def text_of(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return str(content if isinstance(content, str) else content[-1]["text"])


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def environment(**more: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "MMLA_"))}
    return own | {"NO_PROXY": "127.0.0.1"} | more


def orchestrator(recipe: Path, folder: Path, code: int = 0, **env: str) -> str:
    argv = [sys.executable, "-m", "orchestrator", "run", recipe, "--runs-dir", folder / "runs", "--results-dir", folder]
    done = subprocess.run([*map(str, argv)], cwd=ROOT, capture_output=True, text=True, env=environment(**env))
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_recipe(folder: Path, rows: int, clips: list[Path] | None = None, more: str = "") -> Path:
    (folder / "data" / "Demo").mkdir(parents=True)
    with (folder / "data" / "Demo" / "test.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["id", "video", "text", "label"])
        for number in range(rows):
            name = clips[number].name if clips else ""
            writer.writerow([f"r{number}", name, f"Utterance {number} says <video>.", "question"])
    kind = "MLLM" if clips else "LLM"
    path = folder / "api.yaml"
    path.write_text(
        f"method: zero_shot\ntasks: [demo]\ndata: {{root: {folder}/data, video_root: {folder}}}\n"
        f"model: {{name: Served, path: served, toolkit: openai_api, type: {kind}, gpus: 0}}\n{more}"
    )
    return path


def infer_folder(folder: Path) -> Path:
    (found,) = (folder / "runs" / "api" / "zero_shot").glob("infer-*")
    return found


def journal(folder: Path) -> dict[int, dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    found = {int(line["id"].rpartition("r")[2]): line for line in lines}
    assert len(found) == len(lines), "a request was answered twice"
    return found


def assert_no_key(folder: Path, said: str) -> None:
    assert KEY not in said
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "log.txt" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def grey_of(url: str) -> tuple[float, int]:
    """Mean brightness and number of pixels of a JPEG in a data URL."""
    import av

    kind, _, data = url.partition(";base64,")
    assert kind == "data:image/jpeg"
    with av.open(io.BytesIO(base64.b64decode(data)), format="jpeg_pipe") as picture:
        frame = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    return float(frame.mean()), frame.shape[0] * frame.shape[1]


def test_videos_from_recipe_to_csv(tmp_path: Path, server: Server) -> None:
    lengths = [8, 11, 3, 12, 9]
    names = ["0.mp4", "1.mp4", "2.mp4", "3.mkv", "4.mp4"]  # mkv announces no number of frames
    clips = [write_video(tmp_path / name, at, lengths[at]) for at, name in enumerate(names)]
    more = "video: {frames: 4, max_pixels: 1600}\nprompt: {system: Be brief.}\ninference: {batch_size: 2}\n"
    recipe = write_recipe(tmp_path, 5, clips, more)
    call("data", "repair", "--data-root", tmp_path / "data", "--video-root", tmp_path, "--task", "demo",
         "--runs-dir", tmp_path / "runs")  # fmt: skip
    said = orchestrator(recipe, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
    row = pd.read_csv(tmp_path / "api.csv").iloc[0]
    assert (row["n"], row["acc"], row["error"], row["frames"], row["gpus"]) == (5, 100, 0, 4, 0)
    assert str(row["toolkit_version"]).startswith("openai ")
    assert sorted(number for number, *_ in server.asked) == [0, 1, 2, 3, 4]
    for number, _, body, authorization in server.asked:
        assert authorization == f"Bearer {KEY}"
        assert set(body) == {"model", "messages", "max_tokens", "temperature"}  # no seed in greedy decoding
        assert (body["model"], body["max_tokens"], body["temperature"]) == ("served", 32, 0)
        system, user = body["messages"]
        assert system == {"role": "system", "content": "Be brief."}
        *pictures, text = user["content"]
        assert f"Utterance {number} says <video>." in text["text"]
        last, count = lengths[number] - 1, min(4, lengths[number])
        assert len(pictures) == count
        for place, picture in enumerate(pictures):
            grey, pixels = grey_of(picture["image_url"]["url"])
            expected = (place * last // (count - 1) * 20 + number * 7) % 255
            assert abs(grey - expected) < 6, (number, place)
            assert 1500 < pixels <= 1600
    log = (infer_folder(tmp_path) / "log.txt").read_text()
    assert "the server answers as served-1, fingerprint fp_1\n" in log
    assert "tokens used by this process: 500 prompt + 35 completion, in 5 answers" in log
    assert_no_key(tmp_path, said)


def test_every_fault_of_a_single_request(tmp_path: Path, server: Server) -> None:
    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        if number == 1 and attempt == 0:
            return failure(429, "slow down", Retry_After="2")
        if (number == 2 and attempt < 2) or number == 3:
            return failure(500 + attempt, "internal")
        if number == 4 and attempt == 0:
            time.sleep(4)  # over the time limit below
        if number == 12:
            raise ConnectionResetError  # it hangs up, every time
        special = {
            5: completion(None, "content_filter"),
            6: completion(None, refusal="I can't help with a question."),
            7: failure(400, "Your input is too long, billing and seed", "context_length_exceeded", "messages"),
            8: completion("question", "length"),
            9: completion("", "tool_calls"),
            10: completion(None, "length"),
            11: (200, {"error": {"message": "upstream broke"}, "choices": None, "model": "served-1"}, {}),
        }
        return special.get(number, completion())

    server.reply = reply
    more = "resources: {env: {MMLA_API_RETRIES: '2', MMLA_API_TIMEOUT_SECONDS: '3'}}\ninference: {batch_size: 13}\n"
    recipe = write_recipe(tmp_path, 13, more=more)
    orchestrator(recipe, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
    given = journal(infer_folder(tmp_path))
    errors = {number: line["error"] for number, line in given.items() if "error" in line}
    assert set(errors) == {3, 5, 7, 9, 11, 12}
    assert "internal" in errors[3]
    assert "content_filter" in errors[5]
    assert "too long" in errors[7]
    assert "tool_calls" in errors[9]
    assert "upstream broke" in errors[11]
    assert "broke the connection" in errors[12]
    assert given[6]["text"] == "I can't help with a question."
    assert (given[8]["text"], given[8]["finish_reason"]) == ("question", "length")
    assert given[10]["text"] == ""
    assert [server.times(number) for number in range(13)] == [1, 2, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 3]
    first, second = (moment for number, moment, *_ in server.asked if number == 1)
    assert second - first >= 2  # as the server said; the client's own first pause is half a second
    assert pd.read_csv(tmp_path / "api.csv").iloc[0]["error"] == pytest.approx(100 * 6 / 13, abs=0.01)


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (failure(401, f"Incorrect API key provided: {KEY}.", "invalid_api_key"), "check OPENAI_API_KEY"),
        (failure(429, "You exceeded your current quota", "insufficient_quota"), "has no credit left"),
    ],
)
def test_a_refused_account_stops_the_run_and_it_goes_on(
    tmp_path: Path, server: Server, refusal: Reply, advice: str
) -> None:
    server.reply = lambda number, attempt, body: completion() if len(server.asked) <= 4 else refusal
    more = "resources: {env: {MMLA_API_RETRIES: '0'}}\ninference: {batch_size: 2}\n"
    recipe = write_recipe(tmp_path, 9, more=more)
    said = orchestrator(recipe, tmp_path, code=1, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
    assert "zero_shot/infer: FAILED" in said
    assert advice in said
    assert "earlier answers are kept, the same command goes on from here" in said
    assert_no_key(tmp_path, said)
    before = journal(infer_folder(tmp_path))
    assert len(before) == 4
    assert not any("error" in line for line in before.values())
    assert len(server.asked) == 6  # the batch that met the refusal, and no further one
    server.reply = lambda number, attempt, body: completion()
    orchestrator(recipe, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
    after = journal(infer_folder(tmp_path))
    assert len(after) == 9
    assert {number: after[number] for number in before} == before
    assert all(server.times(number) == 1 for number in before)


def ask(folder: Path, env: Environment, requests: list[dict[str, Any]], code: int = 0, **config: Any) -> str:
    """The runner alone; ``url`` and ``retries`` are for its environment. Returns what it printed."""
    (folder / "requests.jsonl").write_text("".join(json.dumps(request) + "\n" for request in requests))
    paths = {name: str(folder / f"{name}.jsonl") for name in ("requests", "predictions")}
    own = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": config.pop("url"), "MMLA_API_RETRIES": config.pop("retries", "0")}
    decoding = {"model": "served", "batch_size": 4, "max_new_tokens": 32, "temperature": 0.0, "top_p": 1.0, "seed": 5}
    settings = {**paths, **decoding, "frames": 4, "max_pixels": 1600, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    argv = argv_of(env.python, program("openai_api", "infer"), folder / "config.json")
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(**own))
    assert done.returncode == code, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout + done.stderr


def request(number: int, video: Path | None = None) -> dict[str, Any]:
    prompt = f"Utterance {number}"
    return {"id": f"r{number}", "task": "demo", "prompt": prompt, "video": video and str(video), "system": None}


def test_bad_videos_are_errors_of_their_own(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    good, cut, empty = write_video(tmp_path / "good.mp4"), tmp_path / "cut.mp4", tmp_path / "empty.mp4"
    cut.write_bytes(good.read_bytes()[:500])
    empty.touch()
    turns = {"history": [["hello", "hi"]]}
    requests = [request(0, good), request(1) | turns, *(request(2 + at, bad) for at, bad in enumerate((cut, empty)))]
    ask(tmp_path, openai_env, [*requests, request(4, tmp_path / "none.mp4")], url=server.url)
    given = journal(tmp_path)
    assert {number for number, line in given.items() if "error" in line} == {2, 3, 4}
    assert "no video" in given[4]["error"]
    bodies = {number: body for number, _, body, _ in server.asked}
    assert set(bodies) == {0, 1}
    assert len(bodies[0]["messages"][0]["content"]) == 5
    said = ["hello", "hi", "Utterance 1"]  # text only, no system message
    assert bodies[1]["messages"] == [
        {"role": role, "content": text} for role, text in zip(("user", "assistant", "user"), said, strict=True)
    ]


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (failure(404, "The model `served` does not exist", "model_not_found"), "check model.path"),
        (failure(403, "You are not allowed to sample from this model"), "may not use this model"),
        (failure(429, "Rate limit reached, see account/billing", "rate_limit_exceeded"), "lower inference.batch_size"),
        (failure(400, "Unsupported value", "unsupported_value", "temperature"), "inference.temperature 0.0: change it"),
        (failure(503, "overloaded"), "4 requests in a row got no answer"),
        ((200, "<html>hello</html>", {}), "no chat completion"),
        (None, "cannot be reached"),
    ],
)
def test_what_every_request_would_meet_stops_the_run(
    tmp_path: Path, server: Server, openai_env: Environment, reply: Reply | None, advice: str
) -> None:
    server.reply = lambda number, attempt, body: reply or completion()
    url = server.url if reply else "http://127.0.0.1:9/v1"  # nobody listens there
    said = ask(tmp_path, openai_env, [request(number) for number in range(12)], code=1, url=url)
    assert advice in said
    assert "stopped: " in said
    assert journal(tmp_path) == {}
    assert len(server.asked) <= 4


def test_parameters_that_a_server_does_not_know(tmp_path: Path, server: Server, openai_env: Environment) -> None:
    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        if "max_tokens" in body:
            said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'"
            return failure(400, said, "unsupported_parameter", "max_tokens")
        return failure(422, "seed: Extra inputs are not permitted") if "seed" in body else completion()

    server.reply = reply
    requests = [request(number) for number in range(6)]
    said = ask(tmp_path, openai_env, requests, url=server.url, temperature=0.7, top_p=0.9, max_new_tokens=5)
    assert not any("error" in line for line in journal(tmp_path).values())
    answered = [body for *_, body, _ in server.asked if not {"max_tokens", "seed"} & set(body)]
    assert len(answered) == 6
    assert {(body["max_completion_tokens"], body["temperature"], body["top_p"]) for body in answered} == {(5, 0.7, 0.9)}
    assert len(server.asked) <= 6 + 2 * 4  # the second batch knows what the first one learned
    assert said.count("the server knows no seed") == 1
    assert said.count("WARNING: the server does not keep to inference.max_new_tokens") == 1


def test_kill_and_resume_without_a_key(tmp_path: Path, server: Server) -> None:
    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        time.sleep(0.1)
        return completion(f"question {number}")

    server.reply = reply
    recipe = write_recipe(tmp_path, 60, more="inference: {batch_size: 3}\n")
    argv = [sys.executable, "-m", "orchestrator", "run", str(recipe), "--runs-dir", str(tmp_path / "runs")]
    known: set[int] = set()
    for kill in range(2):
        run = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment(OPENAI_BASE_URL=server.url))
        deadline = time.monotonic() + 60
        while len(server.asked) < 12 * (kill + 1):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        runners = list(marked(STAGE_MARK, str(infer_folder(tmp_path).resolve())))
        assert runners
        for process in [run] if kill else runners:
            process.kill()
        run.wait()
        while list(marked(STAGE_MARK, str(infer_folder(tmp_path).resolve()))):
            assert time.monotonic() < deadline, "something is left running"
            time.sleep(0.05)
        lines = (infer_folder(tmp_path) / "predictions.jsonl").read_bytes()
        whole = lines[: lines.rfind(b"\n") + 1].splitlines()
        before = {int(json.loads(line)["id"].rpartition("r")[2]) for line in whole}
        assert known < before
        known = before
    asked = {number: server.times(number) for number in known}
    orchestrator(recipe, tmp_path, OPENAI_BASE_URL=server.url)
    given = journal(infer_folder(tmp_path))
    assert {number: line["text"] for number, line in given.items()} == {n: f"question {n}" for n in range(60)}
    assert {number: server.times(number) for number in known} == asked  # what was answered is not asked again
    assert len(server.asked) <= 60 + 2 * 3  # only the batch in flight is, at each kill
    assert {authorization for *_, authorization in server.asked} == {"Bearer none"}
    assert server.most_open == 3  # a batch is asked at once
