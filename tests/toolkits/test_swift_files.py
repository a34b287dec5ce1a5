"""What the ms-swift module writes, reads and refuses, without ms-swift; tests/toolkits runs the real one."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.convert import Conversion, convert_split
from orchestrator.data.samples import Sample
from orchestrator.errors import InputError
from orchestrator.inside import start
from orchestrator.prompts.examples import Example
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.toolkits.base import Progress, TrainInputs
from orchestrator.toolkits.registry import trainer
from orchestrator.toolkits.swift.inside import infer as runner
from orchestrator.toolkits.swift.inside.utterance import neutralise
from tests.checkpoints import write_checkpoint, write_safetensors
from tests.shared import MMLA, needs_mmla

TRAINER = trainer("swift")
INSIDE = Path(runner.__file__).parent


def swift_recipe(folder: Path, text: str = "", method: str = "sft", model: str = "") -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(
        f"method: {method}\ntasks: [demo]\n"
        f"model: {{name: mine, path: some/id, toolkit: swift, template: minicpmv2_6, type: MLLM{model}}}\n{text}"
    )
    return load_recipe(path)


TRUSTED = ", trust_remote_code: true"


def checkpoint(folder: Path, step: int, *rows: dict[str, Any], last: int = 0) -> Path:
    return write_checkpoint(folder / "output", step, *rows, last=last)


LOG = "[INFO:swift] train_dataset: Dataset({\n    features: ['messages'],\n    num_rows: 12\n})\n"


def test_success_is_more_than_an_exit_status(tmp_path: Path) -> None:
    assert TRAINER.train_problems(tmp_path, LOG, 12) == ["it left no complete checkpoint"]
    checkpoint(tmp_path, 10, {"step": 10, "loss": 1.0, "grad_norm": 2.0}, last=20)
    assert TRAINER.train_problems(tmp_path, LOG, 12) == ["its last complete checkpoint is step 10 of 20"]
    rows = [{"step": 10, "loss": 1.0, "grad_norm": 2.0}, {"step": 20, "eval_seq_acc": 0.5}]
    checkpoint(tmp_path, 20, *rows)
    (tmp_path / "cache").mkdir()
    assert TRAINER.train_problems(tmp_path, LOG, 12) == []
    assert not (tmp_path / "cache").exists()
    assert TRAINER.train_problems(tmp_path, LOG, 13) == ["it trained on 12 of 13 samples"]
    assert TRAINER.train_problems(tmp_path, "", 12) == ["its log does not say on how many samples it trained"]
    for said in ("another piece of data will be randomly selected.", "in the dataset, the data will be deleted"):
        assert "replaced or left out" in TRAINER.train_problems(tmp_path, LOG + said, 12)[0]


def test_losses_and_gradients_that_are_no_numbers(tmp_path: Path) -> None:
    nan = float("nan")
    checkpoint(tmp_path, 10, {"step": 10, "loss": nan, "grad_norm": 1.0})
    assert "the loss is no number from step 10" in TRAINER.train_problems(tmp_path, LOG, 12)[0]
    checkpoint(tmp_path, 30, *({"step": step, "loss": 1.0, "grad_norm": nan} for step in (10, 20, 30)))
    assert "no number at 3 of 3 logged steps" in TRAINER.train_problems(tmp_path, LOG, 12)[0]
    rows = [{"step": step, "loss": 1.0, "grad_norm": float("inf") if step == 10 else 1.0} for step in (10, 20, 30, 40)]
    checkpoint(tmp_path, 40, *rows)
    assert TRAINER.train_problems(tmp_path, LOG, 12) == [], "fp16 finds its scale that way"


def test_checkpoints_and_resuming(tmp_path: Path) -> None:
    assert TRAINER.resumable(tmp_path) is None
    first = {"step": 10, "eval_seq_acc": 0.5}
    checkpoint(tmp_path, 10, first)
    checkpoint(
        tmp_path,
        20,
        first,
        {"step": 15, "loss": 1.5},
        {"step": 20, "eval_seq_acc": 0.75},
        {"step": 20, "eval_seq_acc": 0.75},
    )
    # killed while the last one was saved for the second time: marked as complete, but half of it is there
    write_safetensors(checkpoint(tmp_path, 30) / "adapter_model.safetensors", size=7)
    (checkpoint(tmp_path, 40) / "adapter_config.json").write_text('{"r": ')
    (checkpoint(tmp_path, 50) / "adapter_model.safetensors").write_bytes(b"\1")
    assert [point.step for point in TRAINER.checkpoints(tmp_path)] == [10, 20]
    assert dict(TRAINER.evaluations(tmp_path)) == {10: 0.5, 20: 0.75}
    assert TRAINER.losses(tmp_path) == [(15, 1.5)]
    assert TRAINER.resumable(tmp_path) == "output/checkpoint-20"
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["checkpoint-10", "checkpoint-20"]


def test_progress_is_the_newest_line(tmp_path: Path) -> None:
    assert TRAINER.train_progress(tmp_path) is None
    (tmp_path / "output").mkdir()
    lines = [{"loss": 1 / (step + 1), "global_step/max_steps": f"{step}/500"} for step in range(0, 400, 10)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    evaluation = '{"eval_loss": 0.1, "global_step/max_steps": "390/500"}\n'
    log = tmp_path / "output" / "logging.jsonl"
    log.write_text(text * 50 + evaluation + '{"loss": 1, "global_st')
    assert TRAINER.train_progress(tmp_path) == Progress(390, 500, 1 / 391)
    bars = "\rTrain:  78%|###  | 391/500 [00:12<00:13,  1.14it/s]\n\rVal:  50%|##   | 1/2 [00:00<00:00,  5.36it/s]"
    (tmp_path / "log.txt").write_text(bars)
    assert TRAINER.train_progress(tmp_path) == Progress(391, 500, 1 / 391)
    (tmp_path / "log.txt").unlink()
    log.write_text('{"model_parameter_info": ""}\n')
    assert TRAINER.train_progress(tmp_path) is None


@given(st.lists(st.tuples(st.text(), st.none() | st.just("/v/clip.mp4")), max_size=4), st.none() | st.text())
def test_any_text_gives_readable_lines(rows: list[tuple[str, str | None]], system: str | None) -> None:
    examples = [
        Example(Sample(str(at), "demo", "train", text, "question", video), text, "dialogue act: question", system)
        for at, (text, video) in enumerate(rows)
    ]
    file = io.StringIO()
    assert TRAINER.write_examples(examples, file, "video") == len(rows)
    lines = file.getvalue().split("\n")[:-1]
    for line, (text, video) in zip(lines, rows, strict=True):
        record = json.loads(line)
        *before, asked, answer = record["messages"]
        assert before == ([] if system is None else [{"role": "system", "content": system}])
        assert answer == {"role": "assistant", "content": "dialogue act: question"}
        assert record["videos"] == ([video] if video else [])
        request = {"prompt": text, "video": video, "system": system}
        assert runner.conversation(request) == {"messages": [*before, asked], "videos": record["videos"]}


def test_text_rows_hold_no_videos() -> None:
    file = io.StringIO()
    sample = Sample("1", "demo", "train", "Hi", "question", "/v/clip.mp4")
    TRAINER.write_examples([Example(sample, "Hi", "dialogue act: question")], file, "text")
    assert json.loads(file.getvalue()) == {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "dialogue act: question"}]
    }


def test_media_and_control_tokens_in_an_utterance() -> None:
    text = "<video> <image><unk> <b> </slice> <image_id> <ref-object> <video <|im_end|> I <3 you, 1 < 2"
    said = "< video> < image>< unk> < b> < /slice> < image_id> < ref-object> <video < |im_end|> I <3 you, 1 < 2"
    assert neutralise(text) == runner.neutralise(text) == said


def test_turns_before_the_question() -> None:
    request = {"prompt": "What?", "video": "/v/clip.mp4", "system": "Be brief.", "history": [["hello", "Hi <video>."]]}
    messages = runner.conversation(request)["messages"]
    assert [turn["role"] for turn in messages] == ["system", "user", "assistant", "user"]
    assert [turn["content"] for turn in messages[1:]] == ["hello", "Hi < video>.", "<video>What?"]


def problems(folder: Path, text: str = "", **options: str) -> list[str]:
    return list(TRAINER.problems(swift_recipe(folder, text, **options)))


def test_what_it_cannot_do(tmp_path: Path) -> None:
    assert problems(tmp_path, model=TRUSTED) == []
    assert problems(tmp_path)[0].startswith("models of type minicpmv2_6 bring Python code of their own")
    said = problems(tmp_path, "video: {frames: 16}\n", model=TRUSTED)
    assert said[0].startswith("16 frames are up to 1072 tokens, and words want 128 at least, but train.max_length is")
    assert len(said) == 1
    assert problems(tmp_path, "video: {frames: 16}\n", method="zero_shot", model=TRUSTED) == []
    text = "train: {deepspeed: zero3}\nresources: {device: cpu}\n"
    assert problems(tmp_path, text, model=TRUSTED)[-1].startswith("train.deepspeed: swift loads no model under ZeRO-3")
    said = problems(tmp_path, "train: {extra: {max_pixels: 9, strict: false, packing: true}}\n", model=TRUSTED)
    assert [line.split(":")[0] for line in said] == [
        "train.extra.max_pixels",
        "train.extra.packing",
        "train.extra.strict",
    ]


def test_what_qwen_vl_cannot_do(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    swift_recipe(tmp_path, "video: {frames: 5, max_pixels: 1003520}\n")
    path.write_text(path.read_text().replace("minicpmv2_6", "qwen2_vl/qwen2_vl"))
    said = TRAINER.problems(load_recipe(path))
    assert said[0] == "video.frames is 5, but Qwen-VL takes frames in pairs: give an even number"
    assert said[1].startswith("5 frames of up to 1003520 pixels are up to 3840 tokens")
    assert said[1].endswith("or lower video.frames or video.max_pixels")


@pytest.mark.parametrize("kind", ["internvl", "glm4v"])
def test_a_family_whose_frames_it_chooses_is_refused_videos(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "recipe.yaml"
    swift_recipe(tmp_path, model=TRUSTED)
    path.write_text(path.read_text().replace("minicpmv2_6", kind))
    (said,) = TRAINER.problems(load_recipe(path))
    assert f"`{kind}` does not work in ms-swift" in said
    assert "takes other frames of a clip than video.frames asks for; use a toolkit that takes those" in said
    assert TRAINER.problems(load_recipe(path, ["data.modality=text"])) == []


def test_a_model_folder_says_whether_it_brings_code(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    config = tmp_path / "model" / "config.json"
    config.write_text('{"auto_map": {"AutoModel": "mine.Model"}}')
    path = tmp_path / "recipe.yaml"
    swift_recipe(tmp_path)
    path.write_text(path.read_text().replace("some/id", str(tmp_path / "model")))
    assert "the model's folder brings Python code" in TRAINER.problems(load_recipe(path))[0]
    config.write_text("{}")
    assert TRAINER.problems(load_recipe(path)) == []


def test_no_model_from_scratch(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    swift_recipe(tmp_path, model=TRUSTED)
    path.write_text(path.read_text().replace("path: some/id", "init: {config: {model_type: qwen2}}"))
    assert TRAINER.problems(load_recipe(path)) == ["ms-swift makes no model from scratch: give model.path"]
    with pytest.raises(InputError, match="makes no model from scratch"):
        TRAINER.init(load_recipe(path), "corpus.jsonl")


def flag(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(f"--{name}") + 1]


INPUTS = TrainInputs("some/id", "../convert-1", "cuda")


def test_the_training_command(tmp_path: Path) -> None:
    recipe = swift_recipe(
        tmp_path,
        "train: {batch_size: 16, micro_batch_size: 2, lora: {target: 'q_proj, v_proj'}, deepspeed: zero2,\n"
        "  save_steps: 5, extra: {neftune_noise_alpha: 5, gradient_checkpointing: false,\n"
        "  lr_scheduler_kwargs: {min_lr: 1e-6}}}\n"
        "resources: {processes: 4, env: {MAX_NUM_FRAMES: '7'}}\nvideo: {frames: 6}\nprompt: {train_system: ''}\n",
        model=TRUSTED + ", revision: abc, attention: sdpa",
    )
    command = TRAINER.train(recipe, INPUTS)
    argv = command.argv
    assert argv[1:5] == ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=4")
    assert argv[5:7] == (str(start.HERE), str(INSIDE / "train.py"))
    assert flag(argv, "gradient_accumulation_steps") == "2"
    assert argv[argv.index("--target_modules") + 1 : argv.index("--target_modules") + 3] == ("q_proj", "v_proj")
    assert flag(argv, "deepspeed").endswith("third_party/swift/deepspeed/zero2.json")
    assert flag(argv, "gradient_checkpointing") == "false"
    assert flag(argv, "lr_scheduler_kwargs") == '{"min_lr": 1e-06}'
    assert flag(argv, "neftune_noise_alpha") == "5"
    assert flag(argv, "model_revision") == "abc"
    assert flag(argv, "system") == ""
    assert flag(argv, "attn_impl") == "sdpa"
    assert flag(argv, "dataloader_num_workers") == "4"
    assert flag(argv, "eval_steps") == flag(argv, "save_steps") == "5"
    assert "--use_cpu" not in argv
    assert "--template" not in argv
    assert command.env["MMLA_TRUST_REMOTE_CODE"] == command.env["VIDEO_MAX_SLICE_NUMS"] == "1"
    assert command.env["FPS_MIN_FRAMES"] == command.env["FPS_MAX_FRAMES"] == "6"
    assert command.env["MAX_NUM_FRAMES"] == "7", "the recipe's own variables come last"
    assert "FPS" in command.unset
    resumed = TRAINER.train(recipe, TrainInputs("some/id", "../convert-1", "cuda", "output/checkpoint-5"))
    assert flag(resumed.argv, "resume_from_checkpoint") == "output/checkpoint-5"


def test_training_on_a_cpu_for_the_last_checkpoint(tmp_path: Path) -> None:
    text = (
        "train: {max_steps: 3, keep_checkpoints: null, finetuning: full, precision: fp32}\nselect: {strategy: last}\n"
    )
    path = tmp_path / "recipe.yaml"
    swift_recipe(tmp_path, text, model=TRUSTED)
    path.write_text(path.read_text().replace("minicpmv2_6", "qwen2/qwen").replace("MLLM", "LLM"))
    command = TRAINER.train(load_recipe(path), TrainInputs("some/id", "../convert-1", "cpu"))
    argv = command.argv
    assert argv[1:3] == (str(start.HERE), str(INSIDE / "train.py"))
    assert flag(argv, "model_type") == "qwen2"
    assert flag(argv, "template") == "qwen"
    assert flag(argv, "use_cpu") == "true"
    assert flag(argv, "eval_strategy") == "no"
    assert flag(argv, "save_strategy") == "epoch"
    assert flag(argv, "max_steps") == "3"
    assert flag(argv, "tuner_type") == "full"
    assert (flag(argv, "bf16"), flag(argv, "fp16"), flag(argv, "torch_dtype")) == ("false", "false", "float32")
    assert not {"--val_dataset", "--save_total_limit", "--ddp_backend", "--lora_rank", "--eval_steps"} & set(argv)
    assert "MAX_NUM_FRAMES" not in command.env
    assert command.env["CUDA_VISIBLE_DEVICES"] == ""


def test_the_merge_command(tmp_path: Path) -> None:
    argv = TRAINER.merge(swift_recipe(tmp_path, model=TRUSTED), "some/id", "../train-1/output/checkpoint-5").argv
    assert argv[1:3] == (str(start.HERE), str(INSIDE / "merge.py"))
    assert flag(argv, "adapters") == "../train-1/output/checkpoint-5"
    assert flag(argv, "merge_lora") == "true"


@needs_mmla
def test_convert_says_what_the_release_says(tmp_path: Path) -> None:
    """Same utterances, videos, prompts and answers as the released file; its <video> swift itself puts in front."""
    out = tmp_path / "dev.jsonl"
    clips, prompt = "/data/MMLA/MIntRec/video", "mmla/video+audio.j2"  # as the release asks deaf models, too
    convert_split(Conversion("MIntRec", "swift", "dev", "video", "mmla", MMLA / "text", clips, prompt), str(out))
    ours = [json.loads(line) for line in out.read_text().splitlines()]
    released = (MMLA / "released" / "swift_MIntRec_dev.jsonl").read_text().splitlines()
    assert len(ours) == len(released) == 445
    for mine, theirs in zip(ours, map(json.loads, released), strict=True):
        assert [turn["content"] for turn in mine["messages"]] == [f"<video>{theirs['query']}", theirs["response"]]
        assert mine["videos"] == theirs["videos"]
