from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.benchmark.task import tasks
from orchestrator.errors import InputError
from orchestrator.prompts import template as prompts
from orchestrator.recipe.sections import MODALITIES
from tests.shared import MMLA, needs_mmla

RELEASED = MMLA / "released"
MELD = tasks()["MELD"]


def write(path: Path, source: str) -> str:
    path.write_text(source, encoding="utf-8")
    return str(path)


def messages(template: str) -> str:
    with pytest.raises(InputError) as raised:
        prompts.load(template)
    return str(raised.value)


def test_prompts_name_what_is_shown() -> None:
    text = prompts.load("mmla/text.j2").render(tasks()["AnnoMi-client"], text="I might.")
    assert text == (
        "The speaker says: I might. Based on the text, what is the communication behavior of this speaker?\n"
        "The candidate labels for communication behavior are: [neutral, change, sustain]. "
        "Respond in the format: 'communication behavior: [label]'. Only one label should be provided."
    )
    shown = "You are presented with {} in which the speaker says: Hi. Based on the text{} content, "
    starts = {
        "video": shown.format("a video", " and video"),
        "video+audio": shown.format("a video", ", video, and audio"),
        "audio": shown.format("an audio recording", " and audio"),
    }
    ends = (
        text.partition("text, ")[2]
        .replace("communication behavior", "emotion")
        .replace("neutral, change, sustain", ", ".join(MELD.labels))
    )
    assert set(starts) | {"text"} == set(MODALITIES)
    for modality, start in starts.items():
        assert prompts.load(f"mmla/{modality}.j2").render(MELD, text="Hi.") == start + ends
    assert prompts.load("mmla/text.j2").answer(tasks()["MELD-DA"], "question") == "dialogue act: question"


@needs_mmla
def test_equals_the_released_prompts() -> None:
    """The prompt of video and sound is LLaMA-Factory's; that of text MIntRec's, but for capitals."""
    task = tasks()["MIntRec"]
    for entry in json.loads((RELEASED / "llamafactory_video_MIntRec_dev.json").read_text()):
        asked, answered = (turn["value"] for turn in entry["conversations"])
        said = asked.split("speaker says: ", 1)[1].split(" Based on the text, video")[0]
        assert "<video>" + prompts.load("mmla/video+audio.j2").render(task, text=said) == asked
        assert answered in {prompts.load("mmla/video.j2").answer(task, label) for label in task.labels}
    for entry in json.loads((RELEASED / "llamafactory_text_MIntRec_dev.json").read_text()):
        asked = entry["conversations"][0]["value"]
        said = asked.split("speaker says: ", 1)[1].split(" Based on the text, what")[0]
        assert prompts.load("mmla/text.j2").render(task, text=said).lower() == asked.lower()


@given(st.text())
def test_what_is_said_is_never_a_template(said: str) -> None:
    for text in (said, f"{{{{ 7*7 }}}}{said}{{% raise %}}"):
        rendered = prompts.load("mmla/text.j2").render(MELD, text=text)
        assert rendered.startswith(f"The speaker says: {text} Based on the text")


def test_all_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.j2", "{{ text }}\n{{ lables }}\n{% if x %}{{ speaker.name }}{% endif %}\n")
    found = messages(path)
    assert f"{path}:2: unknown variable `lables`\n    did you mean `labels`?" in found
    assert f"{path}:3: unknown variable `x`" in found
    assert f"{path}:3: unknown variable `speaker`" in found
    assert "known: text, task, labels, dataset, dimension, language" in found


@pytest.mark.parametrize(
    ("source", "where", "message"),
    [
        ("a\n{{ text ", ":2", "not a valid template"),
        ("{{ text | uppr }}", ":1", "No filter named 'uppr'"),
        ("a\n{% include 'gone.j2' %}", "", "`gone.j2`"),
        ("{% include labels[0] %}", ":1", "whose name is computed"),
    ],
)
def test_what_is_no_template(tmp_path: Path, source: str, where: str, message: str) -> None:
    path = write(tmp_path / "mine.j2", source)
    found = messages(path)
    assert found.startswith(f"{path}{where}")
    assert message in found


def test_no_such_template(tmp_path: Path) -> None:
    assert "did you mean `mmla/text.j2`" in messages("mmla/txt.j2")
    assert "mmla/text.j2" in messages("\0")
    assert "no prompt template" in messages(str(tmp_path))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("{{ text.__class__.__mro__ }}", 1),  # the sandbox
        ("\n{{ text.nothing }}", 2),
        ("\n\n{{ labels[99] }}", 3),
        ("{% set _ = labels.append('x') %}", 1),
        ("{{ 1 / 0 }}", 1),
        ("{% for i in range(99999999) %}{% endfor %}", 1),
    ],
)
def test_a_template_that_fails(tmp_path: Path, source: str, line: int) -> None:
    path = write(tmp_path / "mine.j2", source)
    with pytest.raises(InputError, match="the template fails") as raised:
        prompts.load(path).render(MELD, text="Hi")
    assert raised.value.problems[0].where == f"{path}:{line}"


def test_half_a_surrogate_pair_is_refused(tmp_path: Path) -> None:
    prompt = prompts.load(write(tmp_path / "p.j2", '{{ text }} {{ "\\ud800" }}'))
    with pytest.raises(InputError, match=r"the template fails: 'utf-8' codec can't encode character '\\ud800'"):
        prompt.render(MELD, text="Hi.")


def test_digest_is_of_all_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.j2", "{% include 'b.j2' %} {{ text }}")
    write(tmp_path / "b.j2", "one {{ language }}")
    first = prompts.load(path)
    assert first.render(MELD, text="Hi") == "one en Hi"
    (tmp_path / "other").mkdir()
    copy = write(tmp_path / "other" / "a.j2", "{% include 'b.j2' %} {{ text }}")
    write(tmp_path / "other" / "b.j2", "one {{ language }}")
    assert prompts.load(copy).digest == first.digest
    write(tmp_path / "other" / "b.j2", "two")
    prompts._load.cache_clear()
    assert prompts.load(copy).digest != first.digest


@pytest.mark.parametrize(
    ("source", "heard"),
    [
        ("{{ text }}", True),
        ("{% macro say(x) %}{{ x | upper }}{% endmacro %}{{ say(text) }}", True),
        ("{% set words = text.split() %}{{ words[2] }}", True),
        ("{{ labels }}", False),
        ("{# {{ text }} #}{{ task }} {{ text | length }}", False),
        ("{% macro say(x) %}nothing{% endmacro %}{{ say(text) }}", False),
        ("{% set text = task %}{{ text }}", False),
        ("{% if text %}{{ task }}{% endif %}", False),
        ("{% include 'part.j2' %}", False),
        ("{{ text[:0] }}", False),
        ("{% if language == 'zh' %}{{ text }}{% endif %}", False),
    ],
)
def test_a_prompt_that_does_not_hold_what_is_said(tmp_path: Path, source: str, heard: bool) -> None:
    write(tmp_path / "part.j2", "{% set said = text %}Which {{ task }}?")
    problem = prompts.load(write(tmp_path / "my.j2", source)).unheard(tasks()["MELD"])
    assert (problem is None) == heard
    if problem is not None:
        assert problem.where == str(tmp_path / "my.j2")
        assert "{{ text }}" in problem.hint
