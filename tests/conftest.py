"""Where the evaluation data is, and the skip (or failure) where it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _shared(variable: str, name: str) -> Path:
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    if folder.is_dir():
        return folder
    reason = f"evaluation {name} not found; set {variable}"
    if os.environ.get("GENOPIPE_REQUIRE_DATA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of the evaluation data."""
    return _shared("GENOPIPE_TEST_DATA", "data")


@pytest.fixture(scope="session")
def tools() -> Path:
    """Folder of the independent simulator, scorer and ranking baseline."""
    return _shared("GENOPIPE_TEST_TOOLS", "tools")
