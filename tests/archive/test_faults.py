"""A dozen rounds of benchmarks/faults.py, with fixed seeds."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def faults() -> Any:
    """The benchmark as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import faults
    finally:
        sys.path.remove(str(BENCHMARKS))
    return faults


@pytest.fixture(scope="module")
def material(faults: Any, tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Any:
    """Small files, one of them FASTQ."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "kept.json").write_text(json.dumps(list(range(9000))))
    (folder / "new.json").write_text(json.dumps(list(range(9999))))
    return faults.prepare(folder / "material", [folder / "kept.json"], [folder / "new.json", sample / "S1_R1.fastq.gz"], None)


@pytest.fixture(scope="module")
def sealed(faults: Any, tmp_path_factory: pytest.TempPathFactory, material: Any) -> Iterator[Any]:
    """The same in an encrypted archive."""
    folder = tmp_path_factory.mktemp("sealed")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GENOPIPE_ARCHIVE_PUBLIC_KEYS", "")
        patched.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", "")
        faults.use_keys(folder)
        yield faults.prepare(folder / "material", material.kept, material.new, None, encrypt=True)


@pytest.mark.parametrize(
    ("operation", "seconds", "seed"),
    [("put", 0.6, 1), ("put", 0.6, 2), ("put", 0.6, 3), ("get", 0.02, 4), ("gc", 0.02, 5), ("forget", 0.03, 6), ("repack", 0.05, 7)],
)
def test_what_is_killed_loses_nothing(faults: Any, material: Any, tmp_path: Path, operation: str, seconds: float, seed: int) -> None:
    assert faults.killed(tmp_path, material, operation, random.Random(seed), seconds) == []


@pytest.mark.parametrize(("operation", "seconds", "seed"), [("put", 0.6, 10), ("rekey", 0.05, 11), ("rekey", 0.05, 12)])
def test_what_is_killed_loses_nothing_that_is_encrypted(
    faults: Any, sealed: Any, tmp_path: Path, operation: str, seconds: float, seed: int
) -> None:
    assert faults.killed(tmp_path, sealed, operation, random.Random(seed), seconds) == []


def test_encrypting_that_is_killed_loses_nothing(faults: Any, sealed: Any, material: Any, tmp_path: Path) -> None:
    assert faults.killed(tmp_path, material, "rekey", random.Random(13), 0.05) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damage_is_found_and_gives_no_wrong_byte(faults: Any, material: Any, tmp_path: Path, damage: str) -> None:
    assert faults.damaged(tmp_path, material, damage, random.Random(8)) == []


def test_a_full_disk_loses_nothing(faults: Any, material: Any, tmp_path: Path) -> None:
    assert faults.full_disk(tmp_path, material, random.Random(9)) == []


def test_writers_at_once_lose_nothing(faults: Any, material: Any, tmp_path: Path) -> None:
    assert faults.racing(tmp_path, material) == []


def test_a_loss_would_be_told(faults: Any, material: Any, tmp_path: Path) -> None:
    """The check itself: an object removed by hand is a loss."""
    with faults.fresh(tmp_path, material) as root:
        for path in (root / "objects").glob("*/*"):
            path.unlink()
        assert any("kept.json is lost" in fault for fault in faults.lost(root, material.kept))
        assert faults.left_over(root) == []
