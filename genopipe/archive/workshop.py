"""Where files are taken apart and put together: the objects at hand, and a folder for temporary files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genopipe.store import FolderStore


@dataclass(frozen=True, slots=True)
class Workshop:
    """store: where objects are read and kept; folder: for temporary files, removed by whoever made it."""

    store: FolderStore
    folder: Path
