"""Secrets in recipes: refused wherever they stand, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import InputError
from orchestrator.recipe.load import load_recipe, load_sweep

HEAD = "method: sft\nmodel: {name: m, path: p, toolkit: llamafactory, template: qwen, type: LLM}\ntasks: [demo]\n"
SECRET = "Xk9mQ2vL7pR4"
NAMES = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "GITHUB_PAT",
    "GH_TOKEN",
    "DB_PWD",
    "DB_PASS",
    "PGPASSWORD",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "OPENAI_API_KEY",
    "WANDB_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_STORAGE_CONNECTION_STRING",
    "SLACK_WEBHOOK_URL",
    "SENTRY_DSN",
    "JWT",
    "MY_AUTH",
    "SSH_KEY",
    "apiKey",
    "api-key",
    "Password",
    "private_key",
]
TOKENS = [
    f"https://me:{SECRET}@host/x",
    f"http://{SECRET}@host",
    f"postgres://u:{SECRET}@db/x",
    f"hf_{SECRET}{SECRET}",
    f"sk-proj-{SECRET}{SECRET}",
    f"ghp_{SECRET}{SECRET}",
    f"github_pat_{SECRET}{SECRET}",
    f"glpat-{SECRET}{SECRET}",
    "AKIAABCDEFGHIJKLMNOP",
    f"xoxb-1234-{SECRET}",
    f"Bearer {SECRET}{SECRET}",
    f"Authorization: Basic {SECRET}",
    f"eyJ{SECRET}.eyJ{SECRET}.{SECRET}",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
]
PLACES = [
    "resources: {{env: {{WANDB_NOTES: '{}'}}}}",
    "train: {{extra: {{run_name: '{}'}}}}",
    "train: {{extra: {{lr_scheduler_kwargs: {{a: ['{}']}}}}}}",
    "train: {{per_task: {{demo: {{extra: {{run_name: '{}'}}}}}}}}",
    "description: '{}'",
    "prompt: {{system: '{}'}}",
    "data: {{root: '{}'}}",
    "slurm: {{setup: ['{}']}}",
    "slurm: {{extra: {{comment: '{}'}}}}",
    "slurm: {{account: '{}'}}",
]


def refused(file: Path, *overrides: str, sweep: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as raised:
        load_sweep(file, overrides, sweep=sweep)
    said = str(raised.value)
    assert SECRET not in said
    assert "AKIA" not in said.replace("AWS", "")
    return said


def write(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(HEAD + text + "\n")
    return file


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "place", ["resources: {{env: {{{}: {}}}}}", "train: {{extra: {{{}: {}}}}}", "train: {{extra: {{a: {{{}: {}}}}}}}",
              "slurm: {{extra: {{{}: {}}}}}"]
)  # fmt: skip
def test_a_name_tells_a_secret(tmp_path: Path, name: str, place: str) -> None:
    said = refused(write(tmp_path, place.format(f'"{name}"', SECRET)))
    assert "looks like a secret, and recipes are shared" in said


@pytest.mark.parametrize("value", TOKENS)
@pytest.mark.parametrize("place", PLACES)
def test_a_value_tells_a_secret_wherever_it_stands(tmp_path: Path, place: str, value: str) -> None:
    said = refused(write(tmp_path, place.format(value)))
    assert "looks like a secret, and recipes are shared" in said


@pytest.mark.parametrize(
    "line",
    [f"export HF_TOKEN={SECRET}", f"DB_PWD='{SECRET}' ./x", f'export AWS_ACCESS_KEY_ID="{SECRET}"; module load x'],
)
def test_lines_of_shell_assign_none(tmp_path: Path, line: str) -> None:
    said = refused(write(tmp_path, f"slurm:\n  setup:\n    - >-\n      {line}"))
    assert "`slurm.setup` looks like a secret" in said


def test_lines_of_shell_that_read_one_are_right(tmp_path: Path) -> None:
    lines = "[module load cuda, 'export HF_TOKEN=$(cat ~/.token)', 'export A_KEY=\"$B\"', 'export HF_HOME=/x']"
    assert len(load_recipe(write(tmp_path, f"slurm: {{setup: {lines}}}")).slurm.setup) == 4


def test_options_of_the_command_line_are_not_echoed(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    for key, value in (
        ("resources.env.HF_TOKEN", SECRET),
        ("resources.env", f"{{HF_TOKEN: {SECRET}}}"),
        ("resources.env", f"{{X: 'https://u:{SECRET}@h'}}"),
        ("train.extra.hub_token", SECRET),
        ("train.extra.hub_token", f"*{SECRET}"),
        ("train.extra.hub_token", f"[{SECRET}"),
        ("train.extra", f"{{hf_hub_token: {SECRET}}}"),
        ("api_key", SECRET),
        ("train.learning_rate", f"https://u:{SECRET}@h"),
        ("model.api_key", SECRET),
    ):
        said = refused(file, f"{key}={value}")
        assert f"--set {key}=***" in said
    for text in (f"resources.env.HF_TOKEN={SECRET},b", f"train.extra.hub_token=[{SECRET},*{SECRET}]"):
        assert f"{text.partition('=')[0]}=***" in refused(file, sweep=(text,))


@pytest.mark.parametrize(
    "text",
    [
        f'resources: {{env: {{HF_TOKEN: "{SECRET}\u200b"}}}}',
        f"resources: {{env: {{HF_TOKEN: *{SECRET}}}}}",
        f"resources: {{env: {{HF_TOKEN: !{SECRET} x}}}}",
        f"resources: {{env: {{HF_TOKEN: [{SECRET}]}}}}",
        f"resources: {{env: {{HF_TOKEN: {{{SECRET}: 1}}}}}}",
        f"resources: {{env: {{HF_TOKEN: {SECRET}, HF_TOKEN: {SECRET}}}}}",
        f'resources: {{env: {{HF_TOKEN: "{SECRET}}}}}',
        f"resources: {{env: {{HF_TOKEN: {SECRET}: x}}}}",
        f"resources: {{env: {{HF_TOKEN: '{SECRET}\\q\"}}}}",
        f"api_key: {SECRET}",
        f"model: hf_{SECRET}{SECRET}",
        f"tasks: [hf_{SECRET}{SECRET}]",
        f"sweep: {{resources.env.HF_TOKEN: [{SECRET}, b]}}",
        f"sweep: {{resources.env.HF_TOKEN: [{SECRET}, {SECRET}]}}",
    ],
)
def test_errors_of_reading_show_no_value(tmp_path: Path, text: str) -> None:
    said = refused(write(tmp_path, text) if not text.startswith(("model", "tasks")) else _other(tmp_path, text))
    assert "recipe.yaml" in said


def _other(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text("method: sft\n" + ("" if text.startswith("model") else "model: tiny_qwen2\n") + text + "\n")
    return file


def test_a_number_is_not_shown_either(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        load_recipe(write(tmp_path, "resources: {env: {DB_PWD: 48151623}}"))
    assert "48151623" not in str(raised.value)
    assert "`resources.env.DB_PWD` must be text, not what stands there" in str(raised.value)


def test_what_only_sounds_like_one(tmp_path: Path) -> None:
    text = (
        "prompt: {system: 'Basic words: the key is emotion=joy; mail a@b or see http://host/a:b@c'}\n"
        "resources: {env: {TOKENIZERS_PARALLELISM: 'true', WANDB_NOTES: 'sk-learn-baseline of the task-token run'}}\n"
        "train: {extra: {include_num_input_tokens_seen: true}}"
    )
    assert load_recipe(write(tmp_path, text)).resources.env["TOKENIZERS_PARALLELISM"] == "true"
