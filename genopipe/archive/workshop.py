"""Where files are taken apart and put together: the objects at hand, and a folder for temporary files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genopipe.store import Store


@dataclass(frozen=True, slots=True)
class Workshop:
    """store: where objects are read and kept; folder: for temporary files, removed by whoever made it."""

    store: Store
    folder: Path

    def local(self, digest: str) -> Path:
        """A checked file with the object's bytes. Raises BadInput when it is missing or damaged."""
        return self.store.local(digest, self.folder)
