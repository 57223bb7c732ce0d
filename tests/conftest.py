"""Where the evaluation data is, and the skip (or failure) where it is not."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.s3_server import environment, make_bucket, missing_program, s3_server

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("untimed", deadline=None)  # kernels compile, and machines are busy
settings.load_profile("untimed")


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


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of a real S3 server with the bucket `genomes`, started for the tests that need it."""
    missing = missing_program()
    if missing is not None:
        pytest.skip(f"no {missing}: apt-get install radosgw ceph-mon ceph-osd")
    with tempfile.TemporaryDirectory(prefix="s3-") as folder, s3_server(Path(folder)) as address:
        make_bucket(address, "genomes")
        yield address


@pytest.fixture
def s3_place(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place of one's own in the bucket, with the variables set that lead there."""
    for name, value in environment(s3_address).items():
        monkeypatch.setenv(name, value)
    return f"s3://genomes/{uuid.uuid4().hex}"
