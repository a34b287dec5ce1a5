"""A stage's key decides what is done again: moving code must not change one.

``keys.txt`` holds the keys of every shipped recipe over a small data set. A change that means to alter them says so in
its commit and writes the list again: ``python -m tests.plan.test_keys``.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, create_model

from orchestrator.benchmark.task import SPLITS, tasks
from orchestrator.inside import start
from orchestrator.machine.meaning import forget_meanings, meaning
from orchestrator.plan import keys as keys_module
from orchestrator.plan.commands import command_of
from orchestrator.plan.keys import KEYS
from orchestrator.plan.make import make_plan
from orchestrator.plan.plan import Plan
from orchestrator.recipe.load import load_recipe
from orchestrator.recipe.recipe import Recipe
from orchestrator.scores import answers
from tests.plan.demo import changed, demo_plan, keys
from tests.recipes import shipped, write_rows
from tests.shared import RECIPES, ROOT

HERE = Path(__file__).resolve().parent
ALL = {"init", "convert", "train", "select", "infer", "score"}


def write_small(root: Path) -> None:
    """Two rows of each label for every split of every task; the clips that they name are not there."""
    for task in tasks().values():
        for split in SPLITS:
            names = [(f"{split}_{number}", label) for number, label in enumerate(task.labels * 2)]
            rows = [(name, f"{name}.mp4", f"I say {name}.", label) for name, label in names]
            write_rows(root / task.folders[0] / f"{split}.tsv", rows)


def lines(folder: Path) -> Iterator[str]:
    """One line a job: recipe, job, and the key of each of its stages."""
    write_small(folder / "data")
    seen: dict[str, str | None] = {}
    for file in sorted(RECIPES.glob("*.yaml")):
        recipe = load_recipe(file, [f"data.root={folder / 'data'}"])
        for job in make_plan(recipe, folder / "runs", merge=recipe.train is not None, seen=seen).jobs:
            yield " ".join([recipe.name, job.name, *(f"{stage.kind}={stage.key}" for stage in job.stages)])


def test_keys_are_those_of_before(tmp_path: Path) -> None:
    found, kept = list(lines(tmp_path)), (HERE / "keys.txt").read_text().splitlines()
    assert len({line.split()[0] for line in kept}) == len(list(RECIPES.glob("*.yaml"))) == 112
    assert found == kept


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("seed=1", ALL - {"convert"}),
        ("data.limit=5", ALL),
        ("train.epochs=1", ALL - {"init", "convert"}),
        ("train.learning_rate=1e-4", ALL - {"init", "convert"}),
        ("train.extra.neftune_noise_alpha=5", ALL - {"init", "convert"}),
        ("inference.max_new_tokens=4", {"infer", "score"}),
        ("inference.split=dev", {"infer", "score"}),
        ("train.deepspeed=zero2", ALL - {"init", "convert"}),
        ("prompt.system=Answer.", ALL),
        # how, not what
        ("inference.batch_size=3", set()),
        ("train.eval_batch_size=3", set()),
        ("resources.device=auto", set()),
        ("resources.stage_timeout_hours=3", set()),
        ("resources.stop_grace_seconds=3", set()),
        ("resources.stall_minutes=3", set()),
        ("description=other words", set()),
        ("resources.env.NCCL_DEBUG=INFO", set()),
        ("data.columns={MELD.text: Words}", set()),
        # what a toolkit takes from its environment may change what it computes
        ("resources.env.PYTHONHASHSEED=9", ALL - {"convert"}),
    ],
)
def test_what_runs_again(data: Path, override: str, again: set[str]) -> None:
    assert changed(demo_plan(data), demo_plan(data, override)) == again


def test_where_things_are_changes_nothing(data: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(data, moved)
    assert changed(demo_plan(data), demo_plan(moved)) == set()
    assert demo_plan(data).recipe.digest == demo_plan(moved).recipe.digest


@pytest.mark.parametrize(("split", "again"), [("train", ALL), ("test", {"infer", "score"})])
def test_content_of_data_counts(data: Path, split: str, again: set[str]) -> None:
    before = demo_plan(data)
    path = data / "Demo" / f"{split}.tsv"
    path.write_text(path.read_text().replace("the", "this"))
    assert changed(before, demo_plan(data)) == again


def test_batches_count_when_answers_are_sampled(data: Path) -> None:
    sampled = ("inference.temperature=0.6", "inference.top_p=0.9")
    assert changed(demo_plan(data, *sampled), demo_plan(data, *sampled, "inference.batch_size=3")) == {"infer", "score"}


def test_deepspeed_counts_by_content(data: Path, tmp_path: Path) -> None:
    zero2 = ROOT / "third_party" / "llamafactory" / "deepspeed" / "zero2.json"
    shutil.copy(zero2, tmp_path / "mine.json")
    mine = f"train.deepspeed={tmp_path}/mine.json"
    assert changed(demo_plan(data, "train.deepspeed=zero2"), demo_plan(data, mine)) == set()


def test_a_variable_that_counts_is_part_of_the_digest(data: Path) -> None:
    digests = [
        demo_plan(data, f"resources.env.{text}").recipe.digest
        for text in ("NCCL_DEBUG=INFO", "WANDB_PROJECT=x", "PYTHONHASHSEED=1", "PYTHONHASHSEED=2")
    ]
    assert digests[0] == digests[1] == demo_plan(data).recipe.digest
    assert len(set(digests)) == 3


# every section of a recipe whose settings go into keys or the digest; "" is the recipe
SECTIONS = ("", "model", "model.init", "data", "prompt", "it", "train", "train.lora", "select", "inference", "video",
            "video.training")  # fmt: skip


def at(recipe: Recipe, place: str) -> BaseModel | None:
    """A section of a recipe; ``None`` where it has none."""
    found: BaseModel | None = recipe
    for name in filter(None, place.split(".")):
        found = found and getattr(found, name)
    return found


def put(recipe: Recipe, place: str, section: BaseModel) -> Recipe:
    """The recipe with another section in its place."""
    while place:
        above, _, name = place.rpartition(".")
        holder = at(recipe, above)
        assert holder is not None
        place, section = above, holder.model_copy(update={name: section})
    assert isinstance(section, Recipe)
    return section


def with_new_setting(recipe: Recipe, place: str, section: BaseModel) -> Recipe:
    """The recipe with one setting more in a section, at its default, as a later version may have it."""
    later = create_model(f"Later{type(section).__name__}", __base__=type(section), brand_new=(int, 7))
    return put(recipe, place, later.model_construct(section.model_fields_set, **dict(section)))


@pytest.mark.parametrize(
    ("name", "override", "count"),
    [("demo", "train.per_task={demo: {epochs: 2}}", 11), ("qwen2_7b_it", "it.exclude_leaks=true", 10),
     ("llava_video_7b_sft", "video.training={frames: 9}", 11), ("qwen2_7b_zero_shot", "prompt.history=[[a, b]]", 8)],
)  # fmt: skip
def test_a_new_setting_changes_nobodys_key(name: str, override: str, count: int, data: Path, tmp_path: Path) -> None:
    recipe = shipped(name, f"data.root={data}", "tasks=[demo]", override)
    before = make_plan(recipe, tmp_path)
    found = [(place, section) for place in SECTIONS if (section := at(recipe, place))]
    assert len(found) == count
    for place, section in found:
        later = with_new_setting(recipe, place, section)
        assert vars(at(later, place))["brand_new"] == 7
        assert changed(before, make_plan(later, tmp_path)) == set(), place
        assert recipe.digest == later.digest, place


@pytest.mark.parametrize(
    "override",
    ["train.learning_rate=1e-4", "train.lora={rank: 8}", "inference.temperature=0", "seed=42",
     "inference.max_new_tokens=32", "model.attention=auto", "model.trust_remote_code=false", "data.limit=null",
     "model.init.vocab_size=3000", "prompt.history=[]", "prompt.system=null", "select.strategy=best_eval",
     "video.frames=4", "data.on_bad_video=fail", "resources.env={}", "train.warmup_ratio=0", "protocol=mmla"],
)  # fmt: skip
def test_a_default_that_is_written_out_counts_as_left_out(data: Path, override: str) -> None:
    section, _, name = override.partition("=")[0].rpartition(".")
    written = demo_plan(data, override)
    holder = at(written.recipe, section)
    assert holder is not None
    assert name in holder.model_fields_set
    left_out = type(holder)(**{field: value for field, value in dict(holder).items() if field != name})
    recipe = put(written.recipe, section, left_out)
    assert keys(make_plan(recipe, Path("runs"))) == keys(written)
    assert recipe.digest == written.recipe.digest


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("\nimport sys\n", "\nimport sys  # a remark\nimport os\n", set()),
        ("\ndef ", "\n\n# a remark\ndef ", set()),
        ("if ", "if not ", {"infer", "score"}),
    ],
)
def test_a_program_counts_by_what_it_does(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, again: set[str]
) -> None:
    before = demo_plan(data)

    def elsewhere(paths: Iterable[Path]) -> str:
        """Of copies in another folder, in another order, of which the answerer's loop is edited."""
        copies = [
            Path(shutil.copy(path, tmp_path / f"{number}_{path.name}"))
            for number, path in enumerate(reversed([*paths]))
        ]
        for copy in copies:
            if copy.name.endswith("_loop.py"):
                assert old in copy.read_text()
                copy.write_text(copy.read_text().replace(old, new, 1))
        forget_meanings()
        return meaning(copies)

    monkeypatch.setattr(keys_module, "meaning", elsewhere)
    assert changed(before, demo_plan(data)) == again


@pytest.mark.parametrize(
    "more", [{"word": "mood"}, {"language": "zh"}, {"dimension": "tone"}, {"labels": "[joy, fear]"}]
)
def test_all_that_a_prompt_may_hold_of_a_task_counts(tmp_path: Path, more: dict[str, str]) -> None:
    file = tmp_path / "Mine" / "task.yaml"
    write_rows(file.with_name("train.tsv"), [("1", "", "I laugh.", "joy")])

    def plan(remark: str, **settings: str) -> Plan:
        given = {"labels": "[joy, anger]", "language": "en"} | settings
        file.write_text("".join(f"{key}: {text}\n" for key, text in given.items()) + remark)
        return make_plan(shipped("demo", f"data.root={tmp_path}", "tasks=[Mine]"), tmp_path / "runs")

    before = plan("")
    assert changed(before, plan("# a remark")) == set()
    assert changed(before, plan("", **more)) == ALL


def test_the_deepspeed_file_counts_by_what_it_says(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    plans = []
    for text in ('{"a": 1, "b": [2]}', '{\n  "b": [2],\n  "a": 1\n}\n', '{"a": 1, "b": [3]}'):
        file.write_text(text)
        plans.append(demo_plan(data, f"train.deepspeed={file}"))
    assert changed(plans[0], plans[1]) == set()
    assert changed(plans[0], plans[2]) == ALL - {"init", "convert"}


def test_how_answers_are_read_counts_where_they_choose(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [[demo_plan(data, f"select.strategy={name}") for name in ("last", "dev_accuracy")]]
    monkeypatch.setattr(answers, "PARSER_VERSION", "another")
    plans += [[demo_plan(data, f"select.strategy={name}") for name in ("last", "dev_accuracy")]]
    assert [changed(*pair) for pair in zip(*plans, strict=True)] == [{"score"}, {"select", "infer", "score"}]


@pytest.mark.parametrize("name", ["demo", "minicpm_v_2_6_sft", "llava_video_7b_sft", "videollama2_7b_it"])
def test_every_program_of_ours_that_is_started_counts(data: Path, name: str) -> None:
    plan = make_plan(shipped(name, f"data.root={data}", "tasks=[demo]"), Path("runs"), merge=True)
    started = {stage.kind: command for stage in plan.stages if (command := command_of(plan, stage, "cuda"))}
    assert {"train", "infer"} <= started.keys()
    for kind, command in started.items():
        ours = {Path(word) for word in command.argv if Path(word).parent.name == "inside"} - {start.HERE}
        assert ours <= {*plan.part(kind).sources(kind)}, kind


def test_how_training_shows_videos_is_its_own_matter(data: Path) -> None:
    video = ("model=tiny_qwen2_vl", "data.modality=video", "video.training={frames: 9}")
    before = demo_plan(data, *video)
    assert changed(before, demo_plan(data, *video, "video.training.frames=8")) == {"train", "select", "infer", "score"}
    assert changed(before, demo_plan(data, *video, "video.frames=3")) == {"infer", "score"}
    # as by default is not as in inference
    assert "train" in changed(demo_plan(data, *video[:2]), demo_plan(data, *video[:2], "video.training={}"))


def test_every_key_says_of_which_scheme_it_is(data: Path) -> None:
    for stage in demo_plan(data).stages:
        assert stage.inputs["keys"] == KEYS
        assert stage.inputs["stage"] == stage.kind
        assert not [name for name, value in stage.inputs.items() if value in (None, (), [])]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        (HERE / "keys.txt").write_text("".join(f"{line}\n" for line in lines(Path(temporary))))
    print(f"written: {HERE / 'keys.txt'}", file=sys.stderr)
