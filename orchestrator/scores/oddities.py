"""What is odd about a task's answers: results that say more about a mistake than about a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orchestrator.errors import short
from orchestrator.scores.answers import Answer

NEARLY_ALL = 0.9
ENOUGH = 10  # among fewer answers an accuracy that equals another one is chance


def oddities(truth: Sequence[str], answers: Sequence[Answer], texts: Sequence[str | None]) -> list[str]:
    """Notes on (nearly) all answers without a label, cut thoughts, all alike, and on the accuracy of a constant answer.

    Args:
        truth: the true labels.
        answers: what was parsed, one for each.
        texts: what it was parsed from; ``None`` where no answer was given.
    """
    n, outcomes = len(truth), Counter(answer.outcome for answer in answers)
    majority, most = Counter(truth).most_common(1)[0]
    correct = sum(label == answer.label for label, answer in zip(truth, answers, strict=True))
    notes = []
    if (without := n - outcomes["label"]) >= NEARLY_ALL * n:
        kinds = {kind: count for kind, count in outcomes.most_common() if kind != "label"}
        listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        what = f"{without:,} of {n:,} answers name no single label ({listed})"
        if without == n and len(kinds) == 1:
            what = f"no answer names a label, every one is {listed.split()[1]}"
        notes.append(f"{what}: look at them before the scores")
    if cut := outcomes["cut_off"]:
        room = "inference.max_thinking_tokens, or max_new_tokens where model.thinking is off"
        notes.append(f"{cut:,} of {n:,} answers were cut off in a thought: raise {room}")
    constant = n > 1 and correct < n and len({answer.scored_as for answer in answers}) == 1
    text = texts[0] if len(set(texts)) == 1 else None
    if n > 1 and correct < n and text and text.strip():
        notes.append(f"all answers are the same text, `{short(text)}`")
    elif constant and outcomes["label"]:
        notes.append(f"all answers say the same label, `{answers[0].label}`")
    if correct == most < n and (constant or n >= ENOUGH):
        majority = answers[0].label or majority if constant else majority  # of several as frequent the one that is said
        notes.append(f"the accuracy is exactly that of always saying `{short(majority)}`, the most frequent label")
    return notes
