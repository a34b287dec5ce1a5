"""The charts of the page as files for a paper, each as SVG and PDF, drawn with matplotlib (extra ``figures``)."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.errors import InputError, visible
from orchestrator.scores.page.charts import Panel, Radar
from orchestrator.scores.page.comparisons import Forest
from orchestrator.scores.page.curves import Curve
from orchestrator.scores.page.parts import Content
from orchestrator.scores.page.samples import SampleSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.35, 7.0  # inches: one column of a paper, and both
LABEL = 36  # characters of a name that find room
MOST_MATRICES = 60  # more than these take minutes
BLUE, SKY, ORANGE, GREEN, RED, PINK, GREY, INK = (
    "#0072b2", "#a5d5f0", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#8b949d", "#1a1e22",
)  # fmt: skip
LINES = {"majority": (":", INK), "sota": ("-", GREEN), "human": ("--", RED)}
SERIES = ((BLUE, "-"), (RED, "--"), (GREEN, ":"), (PINK, "-."), (ORANGE, "-"), (GREY, "--"))
# text stays text that can be searched and edited; the same drawing gives the same file
STYLE = {
    "font.family": "sans-serif", "font.size": 7, "axes.titlesize": 8, "axes.titleweight": "bold", "axes.linewidth": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "legend.frameon": False, "text.parse_math": False, "pdf.fonttype": 42, "svg.fonttype": "none",
    "svg.hashsalt": "figures",
}  # fmt: skip

Draw = Callable[["Figure"], None]


def need_matplotlib() -> None:
    """See that figures can be drawn.

    Raises:
        InputError: they cannot.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        hint = "install it: pip install matplotlib (the extra `figures` names it)"
        raise InputError("figures are drawn with matplotlib, which is not installed", hint=hint) from None


def write_figures(folder: Path, content: Content) -> tuple[list[Path], list[str]]:
    """Write each figure as SVG and PDF.

    Args:
        folder: is made where there is none.
        content: what the page shows.

    Returns:
        The files, and notes on what was left out.

    Raises:
        InputError: matplotlib is not installed, or a file cannot be written.
    """
    need_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure

    files = []
    matrices = sum(len(one.runs) for one in content.sets)
    notes = []
    if matrices > MOST_MATRICES:
        notes.append(f"{matrices:,} confusion matrices are not drawn: name fewer runs, or a --task")
    with mpl.rc_context(STYLE), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for name, size, draw in _figures(content, with_matrices=matrices <= MOST_MATRICES):
            figure = Figure(figsize=size, layout="constrained")
            draw(figure)
            for kind, dated in (("svg", {"Date": None}), ("pdf", {"CreationDate": None})):
                path = folder / f"{name}.{kind}"
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                    figure.savefig(path, metadata=dated)
                except OSError as error:
                    raise InputError(f"the figure cannot be written: {error.strerror}", str(path)) from error
                files.append(path)
    if any("missing from font" in str(one.message) for one in warned):
        notes.append("the font of the PDFs lacks some characters of these names; the SVGs have them as text")
    return files, notes


def _figures(content: Content, *, with_matrices: bool) -> Iterator[tuple[str, tuple[float, float], Draw]]:
    """By figure: the file's name, width and height in inches, and what draws it."""
    for part in content.parts:
        if part.panels:
            rows = math.ceil(len(part.panels) / 3)
            height = 0.5 + 0.15 * max(len(panel.bars) for panel in part.panels)
            yield f"{part.key}_tasks", (PAGE, 0.3 + rows * height), partial(_bars, part.panels)
        if part.radar:
            yield f"{part.key}_dimensions", (COLUMN, COLUMN + 0.9), partial(_radar, part.radar)
        if part.forest:
            height = 0.6 + 0.17 * len(part.forest.runs)
            yield f"{part.key}_comparison", (COLUMN, height), partial(_forest, part.forest)
    for number, one in enumerate(content.curves, start=1):
        yield _name("curve", one.training.run, one.training.job, number), (COLUMN, 2.1), partial(_curve, one)
    matrices = [(held, run) for held in content.sets for run in held.runs] if with_matrices else []
    for number, (held, run) in enumerate(matrices, start=1):
        side = 1.1 + 0.055 * max(map(len, _names(held.classes))) + 0.18 * len(held.classes)
        name = _name("confusion", content.runs[run].name, held.task, number)
        yield name, (side + 0.18 * len(held.outcomes), side), partial(_matrix, held, run)


def _name(kind: str, run: str, other: str, number: int) -> str:
    """A file's name: of what may stand in one; the number keeps two apart that are then alike."""
    return "_".join([kind, *(re.sub(r"[^\w.-]+", "-", text)[-80:] for text in (run, other)), str(number)])


def _names(texts: Iterable[str]) -> list[str]:
    return [_cut(text) for text in texts]


def _cut(text: str) -> str:
    """A text as it finds room, of what can be drawn: its end, which is what tells a sweep's runs apart."""
    shown = visible(text).replace("\n", " ")
    return shown if len(shown) <= LABEL else f"...{shown[3 - LABEL :]}"


def _bars(panels: Sequence[Panel], figure: Figure) -> None:
    axes = figure.subplots(math.ceil(len(panels) / 3), min(3, len(panels)), squeeze=False).flat
    for panel, here in zip(panels, axes, strict=False):
        places = np.arange(len(panel.bars))
        for values, colour, height, shift in (
            ([bar.sft for bar in panel.bars], SKY, 0.5, 0.1),
            ([bar.zero_shot for bar in panel.bars], BLUE, 0.3, 0.1),
            ([bar.it for bar in panel.bars], ORANGE, 0.2, -0.27),
        ):
            here.barh(places - shift, [value or 0 for value in values], height, color=colour)
        for kind, _, value in panel.lines:
            style, colour = LINES[kind]
            here.axvline(value, linestyle=style, color=colour, linewidth=0.8)
        here.set(xlim=(0, 100), title=_cut(panel.task), ylim=(len(places) - 0.4, -0.6))
        here.set_yticks(places, _names(bar.label for bar in panel.bars))
        here.tick_params(axis="y", length=0, labelsize=5.5)
    for here in list(figure.axes)[len(panels) :]:
        here.remove()
    _legend(figure, panels)


def _legend(figure: Figure, panels: Sequence[Panel]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = [
        Patch(color=colour, label=name) for colour, name in ((BLUE, "zero-shot"), (SKY, "SFT"), (ORANGE, "IT"))
    ]
    names = {"majority": "most frequent label", "sota": "best earlier method", "human": "people"}
    for kind, (style, colour) in LINES.items():
        if any(kind == line[0] for panel in panels for line in panel.lines):
            handles.append(Line2D([], [], linestyle=style, color=colour, linewidth=0.8, label=names[kind]))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _radar(radar: Radar, figure: Figure) -> None:
    here: Any = figure.add_subplot(projection="polar")
    angles = np.linspace(0, 2 * np.pi, len(radar.axes), endpoint=False)
    for shape, (colour, style) in zip([one for one in radar.shapes if one.shown], SERIES, strict=False):
        values = list(shape.values.values())
        here.plot(
            [*angles, angles[0]],
            [*values, values[0]],
            style,
            color=colour,
            linewidth=1,
            label=_cut(shape.entry.name),
        )
    here.set_theta_offset(np.pi / 2)
    here.set_theta_direction(-1)
    here.tick_params(axis="x", pad=7)
    here.set_xticks(angles, [axis.name.replace(" ", "\n") for axis in radar.axes])
    here.set_ylim(0, 100)
    here.set_yticks([20, 40, 60, 80], ["20", "40", "60", "80"], fontsize=5, color=GREY)
    here.grid(linewidth=0.4)
    figure.legend(loc="outside lower center")


def _forest(forest: Forest, figure: Figure) -> None:
    here = figure.subplots()
    for place, one in enumerate(forest.runs):
        _, acc, _ = one.total
        if acc.difference is None:
            continue
        if acc.difference_low is not None and acc.difference_high is not None:
            sure = not acc.difference_low <= 0 <= acc.difference_high
            here.plot([acc.difference_low, acc.difference_high], [place, place], color=BLUE if sure else GREY)
        here.plot(acc.difference, place, "o", color=INK, markersize=3)
    here.axvline(0, color=INK, linewidth=0.6)
    here.set_yticks(range(len(forest.runs)), _names(one.run for one in forest.runs))
    here.set(ylim=(len(forest.runs) - 0.4, -0.6), xlim=(-forest.axis.limit, forest.axis.limit))
    here.set_xlabel(f"accuracy, points above\n{_cut(forest.baseline)}")
    here.tick_params(axis="y", length=0)


def _curve(curve: Curve, figure: Figure) -> None:
    here = figure.subplots()
    losses = [(step, loss) for step, loss, _ in curve.rows if loss is not None]
    here.plot([step for step, _ in losses], [loss for _, loss in losses], color=BLUE, linewidth=1)
    here.set(xlabel="step", ylabel="training loss", title=_cut(curve.training.run))
    here.set_ylim(bottom=0)
    if accuracy := [(step, value) for step, _, value in curve.rows if value is not None]:
        other: Axes = here.twinx()
        other.spines["right"].set_visible(True)
        other.plot([step for step, _ in accuracy], [value for _, value in accuracy], "o", color=ORANGE, markersize=3)
        other.set(ylim=(0, 105), ylabel=f"percent {curve.training.measure}")
    if curve.training.chosen is not None:
        here.axvline(curve.training.chosen, linestyle=":", color=INK, linewidth=0.8)


def _matrix(held: SampleSet, run: int, figure: Figure) -> None:
    counts = held.counts(run)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100.0 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    here = figure.subplots()
    here.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(shares):
        if share:
            colour = "white" if share > 55 else INK
            here.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=5, color=colour)
    here.set_xticks(range(counts.shape[1]), [*_names(held.classes), *held.outcomes], rotation=90)
    here.set_yticks(range(counts.shape[0]), _names(held.classes))
    here.set(xlabel="answer", ylabel="true label", title=_cut(held.task))
    here.tick_params(length=0)
    for side in ("left", "bottom"):
        here.spines[side].set_visible(False)
