"""The page in docs/ is what `make example` makes."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any

from orchestrator.data.demo import write_demo_data
from tests.running import call
from tests.shared import ROOT

PAGE = ROOT / "docs" / "report.html"
DATA = re.compile(r'(?<=<script type="application/json" id="data">).*?(?=</script>)', re.DOTALL)


def unpacked(value: Any) -> Any:
    """The page's data with what is packed in it: how it is deflated may differ from computer to computer."""
    if isinstance(value, dict):
        return {key: unpacked(held) for key, held in value.items()}
    if isinstance(value, list):
        return [unpacked(held) for held in value]
    if isinstance(value, str) and len(value) > 100:
        return json.loads(zlib.decompress(base64.b64decode(value), -15))
    return value


def test_the_example_is_what_the_command_makes(tmp_path: Path) -> None:
    write_demo_data(tmp_path / "data")
    (command,) = re.findall(
        r"orchestrator report docs/example .*\n.*--title \"([^\"]*)\"", (ROOT / "Makefile").read_text()
    )
    out = tmp_path / "report.html"
    call(
        "report",
        ROOT / "docs" / "example",
        "--published",
        "--data-root",
        tmp_path / "data",
        "--title",
        command,
        "--out",
        out,
    )
    made, kept = out.read_text(encoding="utf-8"), PAGE.read_text(encoding="utf-8")
    assert DATA.sub("", kept) == DATA.sub("", made), "make example"
    ours, theirs = (unpacked(json.loads(DATA.search(text)[0])) for text in (kept, made))  # type: ignore[index]
    assert ours == theirs
    assert ours["sets"][0]["samples"]["texts"]
    assert PAGE.stat().st_size < 300_000
