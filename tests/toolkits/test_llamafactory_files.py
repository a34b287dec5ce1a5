"""What the LLaMA-Factory module writes and reads, without LLaMA-Factory; tests/toolkits runs the real one."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.convert import Conversion, convert_split
from orchestrator.data.samples import Sample
from orchestrator.prompts.examples import Example
from orchestrator.toolkits.base import Progress
from orchestrator.toolkits.llamafactory.inside.utterance import neutralise
from orchestrator.toolkits.registry import trainer
from tests.checkpoints import write_checkpoint
from tests.shared import MMLA, needs_mmla

TRAINER = trainer("llamafactory")


def state(output: Path, step: int, *evaluations: tuple[int, float], last: int = 0, loss: float = 1.0) -> Path:
    """A whole checkpoint, and the state of a training that ended there."""
    history = [{"step": at, "eval_accuracy": value} for at, value in evaluations] + [{"step": step, "loss": loss}]
    folder = write_checkpoint(output, step, *history, last=last, adapter=False)
    shutil.copy(folder / "trainer_state.json", output)
    return folder


def test_checkpoints_and_resuming(tmp_path: Path) -> None:
    output = tmp_path / "output"
    state(output, 10, (10, 0.5))
    state(output, 20, (10, 0.5), (20, 0.7))
    (output / "trainer_state.json").unlink()
    (output / "checkpoint-30").mkdir()  # killed while it was written
    (output / "checkpoint-30" / "trainer_state.json").write_text('{"global_st')
    assert [point.step for point in TRAINER.checkpoints(tmp_path)] == [10, 20]
    assert TRAINER.evaluations(tmp_path) == [(10, 0.5), (20, 0.7)]
    assert TRAINER.losses(tmp_path) == [(20, 1.0)]
    (write_checkpoint(output, 40) / "adapter_model.safetensors").unlink()  # killed while it was deleted
    assert TRAINER.resumable(tmp_path) == "output/checkpoint-20"
    assert not (output / "checkpoint-40").exists()
    assert not (output / "checkpoint-30").exists()
    said = TRAINER.train_problems(tmp_path, "", 5)
    assert said == ["it wrote no trainer_state.json", "its log does not say on how many samples it trained"]


def test_left_overs_without_a_checkpoint_are_removed(tmp_path: Path) -> None:
    (tmp_path / "output" / "checkpoint-5").mkdir(parents=True)
    (tmp_path / "output" / "model.safetensors").touch()
    assert TRAINER.resumable(tmp_path) is None
    assert not (tmp_path / "output").exists()
    assert TRAINER.resumable(tmp_path) is None


def test_success_is_more_than_an_exit_status(tmp_path: Path) -> None:
    output = tmp_path / "output"
    state(output, 20)
    log = "[INFO] ***** Running training *****\n  Num examples = 1,200\n  Num examples = 40\n"
    assert TRAINER.train_problems(tmp_path, log, 1200) == []
    assert TRAINER.train_problems(tmp_path, log, 1201) == ["it trained on 1200 of 1201 samples"]
    state(output, 15, last=20)
    assert TRAINER.train_problems(tmp_path, log, 1200) == ["it stopped at step 15 of 20"]
    state(output, 20, loss=float("nan"))
    assert "loss is no number from step 20" in TRAINER.train_problems(tmp_path, log, 1200)[0]


def test_progress_is_the_newest_line(tmp_path: Path) -> None:
    assert TRAINER.train_progress(tmp_path) is None
    (tmp_path / "output").mkdir()
    lines = [{"current_steps": step, "total_steps": 500, "loss": 1 / (step + 1)} for step in range(0, 400, 10)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    evaluation = '{"current_steps": 390, "total_steps": 500, "eval_loss": 0.1}\n'
    (tmp_path / "output" / "trainer_log.jsonl").write_text(text * 5 + evaluation + '{"current_steps": 40')
    assert TRAINER.train_progress(tmp_path) == Progress(390, 500, 1 / 391)


def test_progress_tells_of_each_step_though_the_log_tells_of_each_tenth(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    log = tmp_path / "log.txt"
    # as LLaMA-Factory writes them: the bar of an evaluation stands below the training's
    training = "\r {}%|##   | {}/39 [00:02<00:17,  2.01it/s]"
    evaluation = "\n\r  8%|8    | 1/12 [00:00<?, ?it/s]\x1b[A"
    loading = "Loading weights: 100%|#####| 26/26 [00:00<00:00, 25179.38it/s]\n"
    log.write_text(loading + training.format(0, 0))
    assert TRAINER.train_progress(tmp_path) is None, "no step is done"
    with log.open("a") as file:
        file.write(training.format(7, 3) + evaluation)
    assert TRAINER.train_progress(tmp_path) == Progress(3, 39, None)
    (tmp_path / "output" / "trainer_log.jsonl").write_text('{"current_steps": 10, "total_steps": 39, "loss": 0.5}\n')
    with log.open("a") as file:
        file.write(training.format(28, 11) + "\r100%|#####| 12/12 [00:00<00:00, 3.1it/s]")
    assert TRAINER.train_progress(tmp_path) == Progress(11, 39, 0.5)
    with log.open("a") as file:
        file.write("\nA remark.\n" * 10_000)
    assert TRAINER.train_progress(tmp_path) == Progress(10, 39, 0.5), "the bar is far above"


def test_progress_of_an_attempt_that_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "trainer_log.jsonl").write_text('{"current_steps": 20, "total_steps": 39, "loss": 0.5}\n')
    log, bar = tmp_path / "log.txt", "\r 60%|##   | {}/39 [00:02<00:17,  2.01it/s]"
    log.write_text(bar.format(23))
    assert TRAINER.train_progress(tmp_path) == Progress(23, 39, 0.5)
    begin = log.stat().st_size
    assert TRAINER.train_progress(tmp_path, begin) == Progress(20, 39, 0.5), "an earlier attempt's bar"
    for bars, expected in ((bar.format(0), None), (bar.format(21), Progress(21, 39, 0.5))):
        with log.open("a") as file:
            file.write(bars)
        assert TRAINER.train_progress(tmp_path, begin) == expected


@given(st.lists(st.tuples(st.text(), st.none() | st.just("/v/clip.mp4")), max_size=4), st.none() | st.text())
def test_any_text_gives_readable_json(rows: list[tuple[str, str | None]], system: str | None) -> None:
    examples = [
        Example(Sample(str(at), "demo", "train", text, "question", video), text, "dialogue act: question", system)
        for at, (text, video) in enumerate(rows)
    ]
    file = io.StringIO()
    assert TRAINER.write_examples(examples, file, "video") == len(rows)
    records = json.loads(file.getvalue())
    for record, (text, video) in zip(records, rows, strict=True):
        asked = record["conversations"][0]["value"]
        assert asked.count("<video>") == (video is not None)
        assert asked.removeprefix("<video>" if video else "") == neutralise(text)
        assert record["videos"] == ([video] if video else [])
        assert record.get("system") == system


def test_media_tokens_in_an_utterance() -> None:
    text = "<video> <image><audio> <b> <video <|im_end|> </s>"
    assert neutralise(text) == "< video> < image>< audio> <b> <video < |im_end|> < /s>"


@needs_mmla
def test_convert_says_what_the_release_says(tmp_path: Path) -> None:
    """Same utterances, videos, prompts and answers as the released LLaMA-Factory file, in our own layout."""
    out = tmp_path / "dev.json"
    clips, prompt = "/data/MMLA/MIntRec/video", "mmla/video+audio.j2"  # as the release asks deaf models, too
    convert_split(
        Conversion("MIntRec", "llamafactory", "dev", "video", "mmla", MMLA / "text", clips, prompt),
        str(out),
    )
    ours = json.loads(out.read_text())
    theirs = json.loads((MMLA / "released" / "llamafactory_video_MIntRec_dev.json").read_text())
    assert len(ours) == len(theirs) == 445
    for mine, released in zip(ours, theirs, strict=True):
        assert mine["videos"] == released["videos"]
        assert [turn["value"] for turn in mine["conversations"]] == [
            turn["value"] for turn in released["conversations"]
        ]
