"""The files of one lane (or of all lanes together) while they are made: they grow tile by tile and appear whole at the end.

Partial files stand in `.ingest/UNIT` beside a journal: which tiles are in them and how long each file is. It is written every half minute
and when the work stops for whatever reason that can be caught. A run that is taken up again cuts every file to that length and goes on
with the next tile. When all tiles are in, the files are closed
and renamed into the output folder; a unit whose files are there is not made again. A journal of other settings is not taken up.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from genopipe.formats.bgzf import END_OF_FILE
from genopipe.outputs import make_folder, write_json, writing
from genopipe.progress import log

STATE_FOLDER = ".ingest"
SECONDS_BETWEEN_JOURNALS = 30.0

_FILES_AT_ONCE = 16
"""Files brought to the disk side by side: the file system writes its log once for all of them."""


class Unit:
    """The growing files of one unit; `done` are its tiles as `lane_tile`, `counts` what was counted in them."""

    def __init__(self, output: Path, name: str, settings: str) -> None:
        self.output, self.settings = output, settings
        self.folder = make_folder(output / STATE_FOLDER / name)
        self._journal = self.folder / "journal.json"
        self.done: list[str] = []
        self.counts: dict[str, Any] = {}
        self._size: dict[str, int] = {}
        self._noted: dict[str, int] = {}
        self._grown: set[str] = set()
        self._saved = time.monotonic()
        self.finished = False
        self._take_up()

    def append(self, name: str, data: bytes, *, first: bytes = b"") -> None:
        """Adds bytes to the file `name`, after `first` where it is new."""
        path = self.folder / name
        with writing(path), open(path, "ab") as file:
            if name not in self._size:
                self._size[name] = 0
                data = first + data
            file.write(data)
        self._size[name] += len(data)
        self._grown.add(name)

    def tile_done(self, tile: str, counts: Mapping[str, Any]) -> None:
        """Notes that all files hold the reads of `tile`."""
        self.done.append(tile)
        self.counts = dict(counts)
        self._noted = dict(self._size)
        if time.monotonic() - self._saved > SECONDS_BETWEEN_JOURNALS:
            self.save()

    def save(self) -> None:
        """Writes the journal, after what it speaks of is on the disk."""
        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            list(pool.map(self._sync, sorted(self._grown)))
        self._grown.clear()
        state = {"settings": self.settings, "done": self.done, "size": self._noted, "counts": self.counts, "finished": self.finished}
        write_json(self._journal, state)
        self._saved = time.monotonic()

    def _sync(self, name: str) -> None:
        with open(self.file(name), "rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Ends every file with the empty BGZF block."""
        for name in sorted(self._size):
            self.append(name, END_OF_FILE)

    def finish(self) -> None:
        """Moves the closed files into the output folder."""
        self.finished = True
        self._noted = dict(self._size)
        self.save()
        self._move()

    def file(self, name: str) -> Path:
        """Where a partial file stands."""
        return self.folder / name

    def replace(self, old: str, new: str) -> None:
        """A closed file takes the place of another: `new` stands in the folder already."""
        (self.folder / old).unlink()
        self._size[new] = (self.folder / new).stat().st_size
        del self._size[old]
        self._grown = self._grown - {old} | {new}

    def _move(self) -> None:
        with writing(self.output):
            for name in sorted(self._size):
                if self.file(name).is_file():
                    os.replace(self.file(name), self.output / name)

    def _take_up(self) -> None:
        """Continues from the journal, or begins anew where there is none, it is of other settings, or a file is shorter than it says."""
        state = self._read()
        if state is None:
            shutil.rmtree(self.folder)
            make_folder(self.folder)
            return
        self.done, self.counts, self.finished = state["done"], state["counts"], state["finished"]
        self._size, self._noted = dict(state["size"]), dict(state["size"])
        for path in self.folder.iterdir():
            if path != self._journal and path.name not in self._size:
                path.unlink()
        for name, size in self._size.items():
            if self.file(name).is_file() and not self.finished:
                os.truncate(self.file(name), size)
        if self.finished:
            self._move()

    def _read(self) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = json.loads(self._journal.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if state["settings"] != self.settings:
            log.warning("%s: made with other settings, begun anew", self.folder)
            return None
        for name, size in state["size"].items():
            places = (self.file(name), self.output / name) if state["finished"] else (self.file(name),)
            if not any(path.is_file() and path.stat().st_size >= size for path in places):
                log.warning("%s: %s is not whole, begun anew", self.folder, name)
                return None
        return state
