"""The page in a real browser: sorting, filters, search, flips, theme, keyboard; nothing executed, nothing asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import visible
from orchestrator.machine.files import atomic_write
from orchestrator.scores.answer_file import AnswerRow, answers_path, read_answers, write_answers
from orchestrator.scores.metrics import classification
from tests.media import write_video
from tests.running import call
from tests.scores.compare.made import samples, write_run
from tests.scores.page.browser import CHROMIUM, Tab

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed (Debian: apt-get install chromium)"),
]

MARKUP = '</script><script>window.hit = 1</script><img src="x" onerror="window.hit = 2">'
EVIL = f"{MARKUP} \u202egnol\u202c \x1b[2J nul\x00"
SHOWN = f"{MARKUP} <U+202E>gnol<U+202C> <U+001B>[2J nul<U+0000>"
TRUTH = "joy anger joy sadness fear joy"
FIRST = {
    "MELD": samples(TRUTH, "joy joy multi sadness error joy"),
    "MOSI": samples("positive negative", "positive unknown", "m"),
}
SECOND = {
    "MELD": samples(TRUTH, "joy anger joy sadness joy anger"),
    "MOSI": samples("positive negative", "unknown negative", "m"),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two runs, with the utterances; some answers are hostile."""
    folder = tmp_path_factory.mktemp("report")
    one = write_run(folder, f"first_{'long_' * 15}", FIRST, model="Qwen2-7B", method="sft", model_type="LLM")
    two = write_run(folder, f"second_{'long_' * 15}", SECOND, model="Qwen2-VL-7B", method="it", model_type="MLLM")
    rows: list[AnswerRow] = read_answers(answers_path(one))
    rows[0]["answer"] = f"joy {EVIL}"
    rows[3]["answer"] = "sadness " + "long " * 10_000
    write_answers(answers_path(one), rows)
    for task, held in FIRST.items():
        texts = [[name, "", f"{name} says {MARKUP if name == 's1' else 'hello'}", label] for name, label, _ in held]
        lines = ["\t".join(row) for row in [["id", "video", "text", "label"], *texts]]
        atomic_write(folder / "data" / task / "test.tsv", "\n".join(lines) + "\n")
    out = folder / "page.html"
    call("report", one, two, "--out", out, "--data-root", folder / "data")
    return out


@pytest.fixture
def tab(browser: Tab, page: Path) -> Iterator[Tab]:
    """The page, freshly opened; afterwards nothing may have gone wrong in it."""
    browser.look(1280, 900)
    browser.open(page)
    browser.wait("document.querySelector('#s-count').textContent.includes(' of ')")
    yield browser
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]
    assert browser.run("window.hit") is None


def choose(tab: Tab, selector: str, value: str) -> None:
    tab.run(
        f"""(() => {{ const input = document.querySelector({selector!r}); input.value = {value!r};
        input.dispatchEvent(new Event("input", {{ bubbles: true }})); return input.value; }})()"""
    )


def column(tab: Tab, table: str, place: int) -> list[str]:
    """The texts of a column's cells that are seen."""
    return list(
        tab.run(
            f"""[...document.querySelectorAll({table!r} + " tbody tr")].filter((row) => !row.hidden)
            .map((row) => row.cells[{place}].innerText.split("\\n")[0].trim())"""
        )
    )


def natural(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)]


def found(tab: Tab) -> list[str]:
    """The samples that are listed, when the search is done."""
    tab.run("find()")
    return column(tab, "#s-table", 0)


def test_heads_sort_their_table(tab: Tab) -> None:
    rows = "#boards-1-tables .scroll:nth-of-type(2) table"
    head = f"document.querySelectorAll({rows!r} + ' .sort')"
    before = column(tab, rows, 2)
    assert before == sorted(before, key=float, reverse=True)
    tab.run(f"{head}[2].click()")
    assert tab.run(f"{head}[2].closest('th').ariaSort") == "descending"
    tab.run(f"{head}[2].click()")
    assert column(tab, rows, 2) == before[::-1]
    tab.run(f"{head}[1].click()")
    names = column(tab, rows, 1)
    # numbers in names count as such
    assert names == sorted(names, key=natural)
    assert tab.run(f"document.querySelectorAll({rows!r} + ' [aria-sort]').length") == 1
    # what has no place is last, from either end
    tab.run(f"{head}[6].click()")
    first = column(tab, rows, 7)
    assert [bool(text) for text in first] == [True] * 2 + [False] * (len(first) - 2)
    tab.run(f"{head}[6].click()")
    assert [bool(text) for text in column(tab, rows, 7)][:2] == [True, True]


def test_filters_of_the_leaderboards(tab: Tab) -> None:
    rows = "#boards-1-tables .scroll:nth-of-type(2) table"
    everything = column(tab, rows, 1)
    choose(tab, "[data-filters='#boards-1-tables'] [data-by=origin]", "run")
    assert sorted(column(tab, rows, 1)) == ["Qwen2-7B", "Qwen2-VL-7B"]
    choose(tab, "[data-filters='#boards-1-tables'] [data-by=type]", "MLLM")
    assert column(tab, rows, 1) == ["Qwen2-VL-7B"]
    choose(tab, "[data-filters='#boards-1-tables'] [data-by=type]", "")
    choose(tab, "[data-filters='#boards-1-tables'] [data-by=origin]", "")
    assert column(tab, rows, 1) == everything
    choose(tab, "[data-filters='#boards-1-tables'] [data-by=text]", "minicpm")
    assert set(column(tab, rows, 1)) == {"MiniCPM-V-2.6-8B"}


def test_other_scores(tab: Tab) -> None:
    choose(tab, "[data-metric]", "f1")
    truth, said = zip(*((label, answer) for _, label, answer in FIRST["MELD"]), strict=True)
    f1 = classification(truth, [answer if answer != "error" else "unknown" for answer in said], ())["f1"]
    cell = "document.querySelector(\"tr[data-run='0'] td[data-task=MELD]\")"
    assert tab.run(f"{cell}.textContent") == f"{100 * f1:.2f}"
    assert tab.run("document.querySelector('#scores-1-table caption').innerText").startswith("f1: macro F1 over")
    # of what is published no F1 is known
    assert tab.run("document.querySelector('#scores-1-table tr:not([data-run]) td[data-task=MELD]').textContent") == ""
    choose(tab, "[data-metric]", "acc")
    assert tab.run(f"{cell}.textContent") == "50.00"


def test_the_radar_draws_what_is_checked(tab: Tab) -> None:
    # no run has all tasks, so the published values alone are there
    boxes = "document.querySelectorAll('.picks input')"
    assert tab.run(f"{boxes}.length") == 30
    shown = "[...document.querySelectorAll('.shape')].filter((shape) => !shape.hasAttribute('hidden'))"
    assert tab.run(f"{shown}.length") == 6
    tab.run(f"{boxes}[0].click()")
    tab.run(f"{boxes}[20].click()")
    keys = tab.run(f"{shown}.map((shape) => shape.dataset.key)")
    assert tab.run(f"{boxes}[20].dataset.key") in keys
    assert tab.run(f"{boxes}[0].dataset.key") not in keys
    assert len(set(tab.run(f"{shown}.map((shape) => shape.getAttribute('class'))"))) == 6


def test_confusion_and_scores_by_label(tab: Tab) -> None:
    choose(tab, "#matrix-cells", "count")
    tab.wait("document.querySelector('#matrix-table caption').textContent.endsWith(': number of samples')")
    cells = tab.run("[...document.querySelectorAll('#matrix-table button')].map((one) => one.title).sort()")
    assert cells == [
        "anger answered as joy: 1 of 1", "fear answered as error: 1 of 1", "joy answered as joy: 2 of 3",
        "joy answered as multi: 1 of 3", "sadness answered as sadness: 1 of 1",
    ]  # fmt: skip
    heads = tab.run("[...document.querySelectorAll('#matrix-table thead th')].map((one) => one.textContent)")
    assert heads[-5:] == ["unknown", "multi", "empty", "error", "cut_off"]
    names = column(tab, "#label-table", 0)
    joy = names.index("joy")
    assert [column(tab, "#label-table", place)[joy] for place in range(1, 7)] == [
        "3", "3", "2", "66.67", "66.67", "66.67",
    ]  # fmt: skip


def test_a_cell_opens_its_samples(tab: Tab) -> None:
    tab.wait("document.querySelector('#matrix-table button') !== null")
    tab.run("document.querySelector(\"#matrix-table [title^='anger answered']\").click()")
    tab.wait("document.querySelector('#s-count').textContent === '1 sample of 6'")
    assert column(tab, "#s-table", 0) == ["s1"]


def test_samples_by_task_label_answer_and_outcome(tab: Tab) -> None:
    assert len(found(tab)) == 8
    choose(tab, "#s-outcome", "wrong")
    assert found(tab) == ["s1", "s2", "s4", "m1"]
    choose(tab, "#s-outcome", "multi")
    assert found(tab) == ["s2"]
    choose(tab, "#s-outcome", "")
    choose(tab, "#s-task", "0")
    joy = tab.run("[...document.querySelector('#s-label').options].find((one) => one.text === 'joy').value")
    choose(tab, "#s-label", joy)
    assert found(tab) == ["s0", "s2", "s5"]
    choose(tab, "#s-answer", joy)
    assert found(tab) == ["s0", "s5"]
    tab.run("document.querySelector('#s-clear').click()")
    assert len(found(tab)) == 6


def test_flips_between_two_runs(tab: Tab) -> None:
    choose(tab, "#s-other", "1")
    choose(tab, "#s-outcome", "lost")
    assert found(tab) == ["s1", "s2", "m1"]
    choose(tab, "#s-outcome", "gained")
    assert found(tab) == ["s5", "m0"]
    choose(tab, "#s-outcome", "both-wrong")
    assert found(tab) == ["s4"]
    assert tab.run("document.querySelectorAll('#s-table thead th').length") == 5
    assert tab.run("document.querySelector('#s-table tbody tr').cells[4].textContent").startswith("joy (wrong)")


def test_search_in_ids_labels_utterances_and_answers(tab: Tab) -> None:
    for text, expected in (
        ("S4", ["s4"]),
        ("sadness", ["s3"]),
        ("m1 says", ["m1"]),
        ("out of memory", ["s4"]),
        ("?", []),
    ):
        choose(tab, "#s-search", text)
        assert found(tab) == expected, text


def test_hostile_texts_are_shown_as_text(tab: Tab) -> None:
    choose(tab, "#s-search", "s0")
    found(tab)
    answer = tab.run("document.querySelector('#s-table tbody tr').cells[3].textContent")
    assert answer == f"joy (right)joy {SHOWN}"
    choose(tab, "#s-search", "s1")
    found(tab)
    assert tab.run("document.querySelector('#s-table tbody th').textContent") == f"s1s1 says {MARKUP}"
    assert tab.run("document.querySelectorAll('img, script[src], iframe, object').length") == 0


def test_a_long_answer_is_folded_and_its_cut_is_said(tab: Tab) -> None:
    choose(tab, "#s-search", "s3")
    found(tab)
    cell = "document.querySelector('#s-table tbody tr').cells[3]"
    assert "cut: the answer has 50,008 characters" in tab.run(f"{cell}.textContent")
    low = tab.run(f"{cell}.offsetHeight")
    tab.run(f"{cell}.querySelector('button').click()")
    assert tab.run(f"{cell}.offsetHeight") > 2 * low


def test_a_short_answer_that_finds_no_room_is_unfolded(browser: Tab, tmp_path: Path) -> None:
    path = write_run(tmp_path, "one", {"MELD": samples("joy joy", "joy joy")})
    rows: list[AnswerRow] = read_answers(answers_path(path))
    rows[0]["answer"] = "joy\n\n1\n2\nlast"
    write_answers(answers_path(path), rows)
    out = tmp_path / "page.html"
    call("report", path, "--out", out)
    browser.look(1280, 900)
    browser.open(out)
    browser.wait("document.querySelector('#s-count').textContent.includes(' of ')")
    rows = "[...document.querySelectorAll('#s-table tbody tr')]"
    assert browser.run(f"{rows}.map((row) => row.querySelectorAll('.more').length)") == [1, 0]
    browser.run("document.querySelector('#s-table .more').click()")
    assert browser.run("((one) => one.scrollHeight <= one.clientHeight)(document.querySelector('#s-table small bdi'))")


def test_a_matrix_says_on_paper_whose_it_is(tab: Tab) -> None:
    tab.wait("document.querySelectorAll('#label-table caption').length")
    for table in ("#matrix-table", "#label-table"):
        caption = tab.run(f"document.querySelector('{table} caption').innerText")
        assert caption.startswith(f"first_{'long_' * 15}, MELD: "), caption


def test_what_cannot_be_seen_has_the_same_name_in_the_script_as_in_the_templates(tab: Tab) -> None:
    for code in (0, 0xAD, 0x34F, 0x202E, 0x2028, 0x2066, 0x2800, 0xD800, 0xFEFF, 0xFFA0, 0xE0041):
        assert tab.run(f"visible('a' + String.fromCodePoint({code}))") == visible(f"a{chr(code)}")
    assert tab.run("visible('\\u{1F600} \\u0627 \\u4f60\\t\\n')") == "\U0001f600 \u0627 \u4f60\t\n"


def test_a_clip_is_loaded_when_it_is_asked_for(browser: Tab, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "MELD"
    (folder / "video").mkdir(parents=True)
    clip = write_video(folder / "video" / "s0.mp4", codec="libx264")
    (folder / "test.tsv").write_text("id\tvideo\ttext\tlabel\ns0\ts0.mp4\thello\tjoy\n")
    out = tmp_path / "page.html"
    run = write_run(tmp_path, "one", {"MELD": samples("joy", "joy")})
    call("report", run, "--out", out, "--data-root", tmp_path / "data", "--video-root", "{root}/{dataset}/video")
    browser.look(1280, 900)
    browser.open(out)
    browser.wait("document.querySelector('#s-table tbody button') !== null")
    assert browser.requests == [out.as_uri()]
    browser.run("document.querySelector('#s-table tbody button').click()")
    browser.wait("document.querySelector('video')?.readyState >= 1 || document.querySelector('video') === null")
    # the browser's own controls are pictures that it brings
    assert [one for one in browser.requests if not one.startswith("data:")] == [out.as_uri(), clip.as_uri()]
    assert browser.run("document.querySelector('video').videoWidth") == 96
    assert browser.complaints == []


def test_theme_follows_the_system_until_it_is_chosen(tab: Tab) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.run(paper)
    tab.look(1280, 900, "dark")
    dark = tab.run(paper)
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 26)")
    for name, colour in (("light", light), ("dark", dark), ("system", dark)):
        tab.run("document.querySelector('#theme').click()")
        assert tab.run("document.querySelector('#theme').textContent") == f"Theme: {name}"
        assert tab.run(paper) == colour


def test_all_controls_are_reached_and_used_by_keyboard(tab: Tab) -> None:
    tab.run("document.body.focus()")
    reached = []
    for _ in range(40):
        tab.press("Tab", 9)
        reached.append(
            tab.run("document.activeElement.id || document.activeElement.className || document.activeElement.tagName")
        )
    assert reached[:2] == ["skip", "theme"]
    assert {"sort", "scroll"} <= set(reached)
    tab.run("document.querySelector('#theme').focus()")
    tab.press("Enter", 13, "\r")
    assert tab.run("document.querySelector('#theme').textContent") == "Theme: light"
    outline = tab.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab.run("document.querySelector('.board .sort').focus()")
    tab.press(" ", 32, " ")
    assert tab.run("document.querySelector('.board th').ariaSort") == "ascending"


@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_is_wider_than_the_window(tab: Tab, width: int) -> None:
    tab.look(width, 900)
    choose(tab, "#s-other", "1")
    found(tab)
    tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert tab.run("document.documentElement.scrollWidth") <= width


def test_what_is_named_in_the_page_is_there_and_named_once(tab: Tab) -> None:
    ids = tab.run("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    links = tab.run("[...document.querySelectorAll('a[href]')].map((one) => one.getAttribute('href').slice(1))")
    assert set(links) <= set(ids)
    # each control has a name, each table a caption
    unnamed = """[...document.querySelectorAll('select, input')].filter((one) => !one.labels.length
        || !one.labels[0].textContent.trim()).length"""
    assert tab.run(unnamed) == 0
    assert tab.run("[...document.querySelectorAll('table')].filter((one) => !one.caption).length") == 0
