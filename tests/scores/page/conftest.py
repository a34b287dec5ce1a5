"""The browser in which pages are tried."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scores.page.browser import Tab, chromium


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with chromium(tmp_path_factory.mktemp("chromium")) as tab:
        yield tab
