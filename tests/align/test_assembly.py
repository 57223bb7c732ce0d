"""A known assembly is recognised by digest: its pseudoautosomal regions are masked, and what makes it no analysis set is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam
import pytest

from genopipe.align.index import build_reference
from genopipe.align.pipeline import Options
from genopipe.align.run import align_files
from genopipe.formats import assembly
from genopipe.formats.bam import ReadGroup
from genopipe.formats.genome import fetch
from genopipe.model import Contig, Genome

GROUP = ReadGroup("lane1", "S1", "L1", "ILLUMINA")
REGION = (500, 2500)


def contig(name: str, md5: str, **more: object) -> dict[str, object]:
    return {"names": [name], "length": 1, "md5": md5, **more}


@pytest.fixture
def sequences() -> dict[str, str]:
    rng = np.random.default_rng(41)
    x, y = ("".join(rng.choice(list("ACGT"), 6000)) for _ in range(2))
    return {"chrX": x, "chrY": y[:500] + x[1000:3000] + y[2500:]}


@pytest.fixture(autouse=True)
def manifests(tmp_path: Path, sequences: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Manifests of an assembly of 22 contigs, and of its analysis set; the Y of this test is in the first."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    numbered = [contig(f"chr{i}", f"{i:032}") for i in range(1, 21)]
    y = contig("chrY", hashlib.md5(sequences["chrY"].encode()).hexdigest(), pseudoautosomal=[REGION])
    plain = {"assembly": "A", "contigs": [contig("chr21", "e" * 32), y, *numbered]}
    ready = {"assembly": "A", "analysis_set": "ready.fa", "contigs": [contig("chr21", "a" * 32), contig("chrEBV", "b" * 32), *numbered]}
    for name, manifest in (("plain", plain), ("ready", ready)):
        (folder / f"{name}.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(assembly, "manifests_folder", lambda: folder)
    assembly._manifests.cache_clear()
    yield
    assembly._manifests.cache_clear()


def build(folder: Path, sequences: dict[str, str], *, keep: bool) -> Genome:
    (folder / "ref.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    return build_reference(folder / "ref.fa", folder / "ref", name="xy", keep_pseudoautosomal=keep)


def test_the_region_is_unknown_and_the_digest_that_of_the_fasta(tmp_path: Path, sequences: dict[str, str]) -> None:
    genome = build(tmp_path, sequences, keep=False)
    masked = fetch(genome, "chrY", 0, 6000) == 4
    assert np.flatnonzero(masked).tolist() == list(range(*REGION))
    assert genome.contigs[1].md5 == hashlib.md5(sequences["chrY"].encode()).hexdigest()
    assert json.loads((tmp_path / "ref" / "reference.json").read_text())["masked"] == {"chrY": [list(REGION)]}


@pytest.mark.parametrize(("keep", "quality"), [(False, 60), (True, 0)])
def test_reads_of_the_region_lie_on_x(tmp_path: Path, sequences: dict[str, str], keep: bool, quality: int) -> None:
    build(tmp_path, sequences, keep=keep)
    reads = [sequences["chrX"][start : start + 100] for start in range(1100, 2800, 100)]
    (tmp_path / "R1.fastq").write_text("".join(f"@r{i}\n{read}\n+\n{'I' * 100}\n" for i, read in enumerate(reads)))
    output = tmp_path / "x.bam"
    align_files([tmp_path / "R1.fastq"], [], tmp_path / "ref", output, interleaved=False, read_group=GROUP, options=Options())
    with pysam.AlignmentFile(str(output)) as file:
        found = {(record.reference_name, record.mapping_quality) for record in file}
    assert {mapping_quality for _, mapping_quality in found} == {quality}
    assert ({name for name, _ in found} == {"chrX"}) == (not keep)


def genome_of(*contigs: tuple[str, str]) -> Genome:
    none = np.empty(0, np.int64)
    return Genome("g", tuple(Contig(name, 0, 1, md5, "") for name, md5 in contigs), np.empty(0, np.uint64), none, none)


NUMBERED = tuple((f"chr{i}", f"{i:032}") for i in range(1, 21))


def test_what_is_no_analysis_set_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assembly.tell_assembly(genome_of(*NUMBERED, ("chr21", "e" * 32)), {})
    assert "this A is no analysis set (not masked: chr21; not there: chrEBV); recommended: ready.fa" in caplog.text


def test_an_analysis_set_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    assembly.tell_assembly(genome_of(*NUMBERED, ("chr21", "a" * 32), ("chrEBV", "b" * 32)), {})
    assert caplog.text == ""


def test_a_sequence_that_nobody_knows_may_be_masked_further(caplog: pytest.LogCaptureFixture) -> None:
    assembly.tell_assembly(genome_of(*NUMBERED, ("chr21", "f" * 32), ("chrEBV", "b" * 32)), {})
    assert caplog.text == ""


def test_a_part_of_an_assembly_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    assembly.tell_assembly(genome_of(*NUMBERED[:5]), {})
    assert caplog.text == ""
