"""The audit: one small file for each deed that removes something, or forbids or allows that, never changed afterwards.

Files are numbered in the order of the deeds, each done while the archive's mark of a collection stands, so one at a time. Times are those
of the clock of the place that keeps the archive.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from genopipe.archive.manifests import canonical
from genopipe.archive.opened import Archive


def record(archive: Archive, action: str, now: float, **details: Any) -> None:
    """Adds a line: what was done, when, by which account, and to what."""
    number = sum(1 for _ in archive.files.listed("audit/"))
    entry = {"audit": 1, "number": number, "action": action, "at": instant(now), "by": _account(), **details}
    archive.files.add(f"audit/{number:09}.json", canonical(entry))


def entries(archive: Archive) -> Iterator[dict[str, Any]]:
    """All lines, the oldest first."""
    for found in archive.files.listed("audit/"):
        yield archive.document(found.name)


def instant(now: float) -> str:
    """Seconds since 1970 as 2026-11-21T10:00:00Z."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
