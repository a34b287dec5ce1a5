"""The official OpenAI client against a server of our own that speaks its protocol and fails in the known ways."""

from __future__ import annotations

import base64
import csv
import io
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.environments.environment import Environment
from orchestrator.machine.processes import STAGE_MARK, marked
from tests.media import write_video
from tests.running import call
from tests.shared import ROOT
from tests.toolkits.hosted import KEY, ended, environment, journal, request, start
from tests.toolkits.hosted_server import Reply, Server, completion, failure, serving

pytestmark = [pytest.mark.toolkit, pytest.mark.usefixtures("openai_env")]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


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


def assert_no_key(folder: Path, said: str) -> None:
    assert KEY not in said
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "log.txt" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def pixels_of(url: str) -> Any:
    """A JPEG in a data URL, as brightness by row and column."""
    import av

    kind, _, data = url.partition(";base64,")
    assert kind == "data:image/jpeg"
    with av.open(io.BytesIO(base64.b64decode(data)), format="jpeg_pipe") as picture:
        return next(picture.decode(video=0)).to_ndarray(format="gray")


def grey_of(url: str) -> tuple[float, int]:
    """Mean brightness and number of pixels of a JPEG in a data URL."""
    shown = pixels_of(url)
    return float(shown.mean()), shown.size


def write_halves(path: Path) -> Path:
    """A clip of 96 x 64 pixels, white above and black below."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        picture = np.zeros((64, 96, 3), np.uint8)
        picture[:32] = 255
        for _ in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def turned(clip: Path, matrix: tuple[int, ...]) -> Path:
    """An mp4 with another display matrix in its track header (ISO/IEC 14496-12, 8.3.2; version 0)."""
    content = bytearray(clip.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (number * 65536 for number in matrix)
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(content)
    return clip


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
    assert "spent so far: 5 requests, 500 + 35 tokens (prompt + answers)" in log
    assert_no_key(tmp_path, said)


# a, b, c, d of the display matrix, as a player has it: (x, y) stands at (ax + cy, bx + dy)
@pytest.mark.parametrize(
    ("matrix", "first"),
    [((0, 1, -1, 0), "right"), ((0, -1, 1, 0), "left"), ((-1, 0, 0, -1), "bottom"), ((1, 0, 0, 1), "top")],
)
def test_frames_stand_upright(
    tmp_path: Path, server: Server, openai_env: Environment, matrix: tuple[int, ...], first: str
) -> None:
    """A clip whose upper half is white, shown as its flag says; where white is afterwards."""
    clip = turned(write_halves(tmp_path / "a.mp4"), matrix)
    ask(tmp_path, openai_env, [request(0, clip)], url=server.url, max_pixels=100_000)
    (asked,) = server.asked
    *pictures, _ = asked.body["messages"][0]["content"]
    assert len(pictures) == 4
    for picture in pictures:
        shown = pixels_of(picture["image_url"]["url"])
        high, wide = shown.shape
        assert (wide, high) == ((64, 96) if matrix[0] == 0 else (96, 64))
        sides = {"top": shown[: high // 4], "bottom": shown[-high // 4 :],
                 "left": shown[:, : wide // 4], "right": shown[:, -wide // 4 :]}  # fmt: skip
        assert sides.pop(first).mean() > 240
        opposite = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}[first]
        assert sides[opposite].mean() < 15


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
    assert "The answers so far are kept; the same command goes on from here" in said
    assert_no_key(tmp_path, said)
    before = journal(infer_folder(tmp_path))
    assert len(before) == 4
    assert not any("error" in line for line in before.values())
    assert 5 <= len(server.asked) <= 6  # what was out when the refusal came, and nothing more
    server.reply = lambda number, attempt, body: completion()
    orchestrator(recipe, tmp_path, OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.url)
    after = journal(infer_folder(tmp_path))
    assert len(after) == 9
    assert {number: after[number] for number in before} == before
    assert all(server.times(number) == 1 for number in before)


def ask(folder: Path, env: Environment, requests: list[dict[str, Any]], code: int = 0, **config: Any) -> str:
    """The runner alone; returns what it printed."""
    return ended(start(folder, env, config.pop("url"), requests, **config), code)


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
        (failure(503, "overloaded"), "one request after another gets no answer, at the last: Error code: 503"),
        (Reply(200, "<html>hello</html>", {}), "check OPENAI_BASE_URL (most end in /v1) and the network"),
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
    assert (tmp_path / "stopped.txt").read_text().startswith("stopped: ")
    assert len(server.asked) <= 8 + 3  # a round, and what was out then


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


def test_what_the_server_failed_at_is_left_for_the_next_run(tmp_path: Path, server: Server) -> None:
    """No score is made of answers with holes, none of the others is lost, and what all of it cost stands in the end."""
    poisoned = {3, 11, 12}
    busy = iter([failure(429, "come back", Retry_After="5")])

    def reply(number: int, attempt: int, body: dict[str, Any]) -> Reply:
        # the order is another one each time: one of the others is told to wait
        if len(server.asked) >= 5 and number not in poisoned and (wait := next(busy, None)):
            return wait
        return failure(500, "this one I cannot stand") if number in poisoned else completion()

    server.reply = reply
    more = "resources: {env: {MMLA_API_RETRIES: '1'}}\ninference: {batch_size: 4}\n"
    recipe = write_recipe(tmp_path, 30, more=more)
    recipe.write_text(recipe.read_text().replace("gpus: 0", "gpus: 0, prices: {input: 1000, output: 2000}"))
    shell = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    said = orchestrator(recipe, tmp_path, code=1, **shell)
    assert "zero_shot/infer: FAILED" in said
    assert "3 of 30 requests are left without an answer: the server failed at each of them 2 times; the last" in said
    assert "run the same command again: it asks these again" in said
    assert "waits 5.0 s until " in said  # at once, not in the log alone
    assert "demo/r3 is left for the next run: the server failed at it 2 times" in said
    assert f"whole log: {infer_folder(tmp_path)}/log.txt" in said
    assert not (tmp_path / "api.csv").exists()
    kept = journal(infer_folder(tmp_path))
    assert set(kept) == set(range(30)) - poisoned
    record = json.loads((infer_folder(tmp_path) / "stage.json").read_text())
    assert record["state"] == "failed"
    assert record["error"].startswith("3 of 30 requests are left without an answer")
    server.reply = lambda number, attempt, body: completion()
    before = len(server.asked)
    said = orchestrator(recipe, tmp_path, **shell)
    assert {asked.number for asked in server.asked[before:]} == poisoned
    assert len(server.asked) == before + 3
    after = journal(infer_folder(tmp_path))
    assert {number: after[number] for number in kept} == kept
    assert pd.read_csv(tmp_path / "api.csv").iloc[0]["error"] == 0
    assert "spent: 37 requests, 3,000 + 210 tokens (prompt + answers), 3.4200 USD" in said
    spent = json.loads((infer_folder(tmp_path) / "stage.json").read_text())["outputs"]["spent"]
    assert (spent["requests"], spent["prompt_tokens"], spent["answer_tokens"]) == (30 + 3 * 2 + 1, 3000, 210)
    assert spent["cost"] == pytest.approx(3.42)
    assert_no_key(tmp_path, said)


def test_a_limit_of_cost_is_told_and_raised(tmp_path: Path, server: Server) -> None:
    recipe = write_recipe(tmp_path, 30, more="inference: {batch_size: 1, max_cost: 1.5}\n")
    recipe.write_text(recipe.read_text().replace("gpus: 0", "gpus: 0, prices: {input: 1000, output: 2000}"))
    said = orchestrator(recipe, tmp_path, code=1, OPENAI_BASE_URL=server.url)
    assert "stopped: inference.max_cost 1.5 USD is reached" in said
    first = len(server.asked)
    assert 0.114 * first <= 1.5
    recipe.write_text(recipe.read_text().replace("max_cost: 1.5", "max_cost: 9"))
    said = orchestrator(recipe, tmp_path, OPENAI_BASE_URL=server.url)  # the same stage: the limit is in no key
    assert len(server.asked) == 30
    assert "spent: 30 requests" in said
