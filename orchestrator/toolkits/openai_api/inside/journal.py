"""The predictions file of a stream: each answer is written as it comes, and safe from a power cut a moment later."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor

from orchestrator.inside import loop


class Journal(loop.Journal):
    """As that of the loop, but an answer does not wait until those before it are on the disk."""

    def __init__(self, path: str, ids: set[str]) -> None:
        super().__init__(path, ids)
        self._unsaved = asyncio.Event()
        self._finished = False

    def write(self, line: loop.Request) -> None:
        """Add a line: a kill of this process does not lose it."""
        data = json.dumps(line).encode("ascii") + b"\n"
        while data:
            data = data[os.write(self._file, data) :]
        self._count(line)
        self._unsaved.set()

    async def keep_safe(self) -> None:
        """Have what was written on the disk, over and over, until `finish`."""
        with ThreadPoolExecutor(max_workers=1) as saver:
            while not self._finished:
                await self._unsaved.wait()
                self._unsaved.clear()
                await asyncio.get_running_loop().run_in_executor(saver, os.fsync, self._file)

    def finish(self) -> None:
        """No more comes."""
        self._finished = True
        self._unsaved.set()
