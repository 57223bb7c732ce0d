"""A BAM of archived reads with other flags, tags or header adds a patch only; each file still comes back bit for bit.

Oracle: the files as they were put; pysam makes the changed BAMs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pysam
import pytest

from genopipe.archive.get import get_file
from genopipe.archive.manifests import Manifest
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.representations import PutOptions


def put(root: Path, path: Path, reference: Path, sample: str = "S1") -> Manifest:
    """Archives one file."""
    return put_files(root, [path], PutOptions(sample, Reference.load(reference)))[0]


def changed(source: Path, out: Path, change: Callable[[int, pysam.AlignedSegment], None], **header: object) -> Path:
    """The BAM with each record changed in place, and more in its header."""
    with pysam.AlignmentFile(str(source)) as records:
        new = records.header.to_dict() | header
        with pysam.AlignmentFile(str(out), "wb", header=new) as target:
            for i, record in enumerate(records.fetch(until_eof=True)):
                change(i, record)
                target.write(record)
    return out


def mark_duplicate(i: int, record: pysam.AlignedSegment) -> None:
    record.is_duplicate = i % 12 == 0


def recalibrate(i: int, record: pysam.AlignedSegment) -> None:
    record.query_qualities = pysam.qualitystring_to_array("#" * len(record.query_sequence or ""))


@pytest.mark.parametrize("header", [{}, {"CO": ["another header"]}])
def test_changed_flags_and_header_add_a_patch_only(tmp_path: Path, sample: Path, reference: Path, header: dict[str, object]) -> None:
    first = put(tmp_path / "A", sample / "S1.bam", reference)
    other = changed(sample / "S1.bam", tmp_path / "marked.bam", mark_duplicate, **header)
    second = put(tmp_path / "A", other, reference)
    assert second.content["cram"] == first.content["cram"]
    size, more = (sum(entry["size"] for entry in m.objects if entry["role"] == "patch") for m in (first, second))
    pool = next(entry["size"] for entry in first.objects if entry["role"] == "pool")
    assert more - size <= 0.03 * pool
    for manifest, path in ((first, sample / "S1.bam"), (second, other)):
        get_file(tmp_path / "A", manifest.digest, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()


def test_other_qualities_or_another_sample_are_another_pool(tmp_path: Path, sample: Path, reference: Path) -> None:
    first = put(tmp_path / "A", sample / "S1.bam", reference)
    other = changed(sample / "S1.bam", tmp_path / "other.bam", recalibrate)
    second = put(tmp_path / "A", other, reference)
    third = put(tmp_path / "A", changed(sample / "S1.bam", tmp_path / "S2.bam", mark_duplicate), reference, sample="S2")
    assert len({manifest.content["cram"] for manifest in (first, second, third)}) == 3
    get_file(tmp_path / "A", second.digest, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == other.read_bytes()
