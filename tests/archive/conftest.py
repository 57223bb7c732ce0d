"""A small reference, alignments and reads made from it, and keys."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import crypt4gh.keys.c4gh
import pysam
import pytest

from genopipe.formats.genome import build_genome

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


@pytest.fixture(scope="session")
def bases() -> str:
    """A contig of 20,000 bases."""
    return "".join(random.Random(1).choices("ACGT", k=20_000))


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory, bases: str) -> Path:
    """A reference folder with the contigs c1 and c2."""
    folder = tmp_path_factory.mktemp("reference")
    (folder / "r.fa").write_text(f">c1\n{bases}\n>c2\n{bases[::-1]}\n")
    build_genome(folder / "r.fa", folder / "built", name="small")
    return folder / "built"


def write_bam(path: Path, bases: str, n_pairs: int = 400, *, seed: int = 2) -> None:
    """Coordinate-sorted pairs with substitutions, clips, duplicates, a supplementary record and unmapped reads."""
    draw = random.Random(seed)
    header = {
        "HD": {"VN": "1.6", "SO": "coordinate"},
        "SQ": [{"SN": "c1", "LN": len(bases)}, {"SN": "c2", "LN": len(bases)}],
        "RG": [{"ID": "L1", "SM": "S1"}],
    }
    records = [record for i in range(n_pairs) for record in _pair(draw, bases, i)]
    records.sort(key=lambda r: (r.reference_id < 0, r.reference_id, r.reference_start))
    with pysam.AlignmentFile(str(path), "wb", header=header) as out:
        for record in records:
            out.write(record)


def _pair(draw: random.Random, bases: str, i: int) -> list[pysam.AlignedSegment]:
    start = draw.randrange(len(bases) - 500)
    mapped = i % 20 != 19
    name = f"M0:1:FC:{1 + i % 4}:{1101 + i % 7}:{draw.randrange(30000)}:{i}"
    pair = []
    for mate in (0, 1):
        at = start + 250 * mate
        letters = [draw.choice("ACGTN") if draw.random() < 0.02 else base for base in bases[at : at + 100]]
        record = pysam.AlignedSegment()
        record.query_name = name
        record.flag = 0x1 | (0x40, 0x80)[mate] | ((0x2 | (0x20, 0x10)[mate]) if mapped else 0xC) | (0x400 if i % 9 == 0 and mapped else 0)
        record.query_sequence = "".join(letters)
        record.query_qualities = pysam.qualitystring_to_array("".join(draw.choice("+5?") for _ in letters))
        if mapped:
            record.reference_id = record.next_reference_id = 0
            record.reference_start, record.next_reference_start = at, start + 250 * (1 - mate)
            record.template_length = (350, -350)[mate]
            record.mapping_quality = draw.choice((0, 37, 60))
            record.cigarstring = "5S95M" if i % 6 == 0 else "100M"
            record.set_tags(
                [("AS", draw.randrange(50, 100)), ("MC", "100M"), ("XX", draw.randrange(-5, 5)), ("RG", "L1")][:: 1 if i % 3 else -1]
            )
        pair.append(record)
    return pair


def fastq_of(bam: Path, mate: int, *, rest: str = "", shuffle: int | None = None) -> str:
    """The FASTQ text of one mate, by pysam."""
    rows = []
    with pysam.AlignmentFile(str(bam), check_sq=False) as records:
        for r in records.fetch(until_eof=True):
            if r.is_secondary or r.is_supplementary or r.is_read2 != (mate == 2):
                continue
            rows.append((r.query_name, f"@{r.query_name}{rest}\n{r.get_forward_sequence()}\n+\n{_qualities(r)}\n"))
    rows.sort()
    if shuffle is not None:
        random.Random(shuffle).shuffle(rows)
    return "".join(text for _, text in rows)


def _qualities(record: pysam.AlignedSegment) -> str:
    return "".join(chr(33 + q) for q in record.get_forward_qualities())


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory, bases: str) -> Path:
    """A folder with S1.bam and its reads, S1_R1.fastq.gz and S1_R2.fastq.gz, in an order of their own."""
    folder = tmp_path_factory.mktemp("sample")
    write_bam(folder / "S1.bam", bases)
    for mate in (1, 2):
        text = fastq_of(folder / "S1.bam", mate, rest=f" {mate}:N:0:ACGT", shuffle=3)
        with open(folder / f"S1_R{mate}.fastq.gz", "wb") as out, gzip.GzipFile("", "wb", 6, out, mtime=0) as packed:
            packed.write(text.encode())
    return folder


def make_keys(folder: Path, name: str, passphrase: str | None = None) -> tuple[Path, Path]:
    """A key pair by the reference implementation: secret and public."""
    secret, public = folder / f"{name}.sec", folder / f"{name}.pub"
    crypt4gh.keys.c4gh.generate(secret, public, passphrase.encode() if passphrase else None, b"test")
    return secret, public


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The site's keys, set."""
    secret, public = make_keys(tmp_path, "site")
    monkeypatch.setenv("GENOPIPE_ARCHIVE_PUBLIC_KEYS", str(public))
    monkeypatch.setenv("GENOPIPE_ARCHIVE_SECRET_KEY_FILE", str(secret))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return secret, public
