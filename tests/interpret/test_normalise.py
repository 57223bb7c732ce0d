"""Variants are spelled as bcftools norm spells them."""

from __future__ import annotations

import random
from pathlib import Path

import pysam
import pysam.bcftools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.interpret.normalise import contig_key, is_sequence, left_align, trim

bases = st.text(alphabet="ACGT", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("chr20", "20"),
        ("20", "20"),
        ("NC_000020.11", "20"),
        ("chrM", "MT"),
        ("MT", "MT"),
        ("NC_012920.1", "MT"),
        ("NC_000023.10", "X"),
        ("KI27", "KI27"),
    ],
)
def test_names_of_one_chromosome_meet(name: str, key: str) -> None:
    assert contig_key(name) == key


@given(st.integers(0, 50), bases, bases)
def test_trimming_keeps_the_change_and_shares_nothing_at_the_end(position: int, ref: str, alt: str) -> None:
    """Property: the trimmed variant, put back, changes the same bases; no base is shared at the end."""
    at, short_ref, short_alt = trim(position, ref, alt)
    before, after = ref[: at - position], ref[at - position + len(short_ref) :]
    assert before + short_ref + after == ref
    assert before + short_alt + after == alt
    assert min(len(short_ref), len(short_alt)) == 1 or short_ref[-1] != short_alt[-1]


@pytest.mark.parametrize(("allele", "sequence"), [("ACGTN", True), ("<DEL>", False), ("*", False), ("A[1:5[", False), ("", False)])
def test_what_is_a_sequence(allele: str, sequence: bool) -> None:
    assert is_sequence(allele) is sequence


def test_left_alignment_equals_bcftools_norm(tmp_path: Path) -> None:
    """Peer program: 2,000 insertions and deletions in a sequence full of repeats, its first bases included."""
    draw = random.Random(11)
    text = "".join(draw.choice(["A", "AC", "ACG", "T", "GGT"]) * draw.randrange(1, 12) for _ in range(400))
    fasta = tmp_path / "g.fa"
    fasta.write_text(f">1\n{text}\n")
    pysam.faidx(str(fasta))
    variants = []
    for _ in range(2000):
        at, length = draw.randrange(0, len(text) - 30), draw.randrange(1, 9)
        if draw.random() < 0.5:
            variants.append((at, text[at : at + 1 + length], text[at]))
        else:
            copied = text[at + 1 : at + 1 + length] if draw.random() < 0.7 else "".join(draw.choices("ACGT", k=length))
            variants.append((at, text[at], text[at] + copied))
    lines = ["##fileformat=VCFv4.2", f"##contig=<ID=1,length={len(text)}>", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"1\t{at + 1}\t{i}\t{ref}\t{alt}\t.\t.\t." for i, (at, ref, alt) in sorted(enumerate(variants), key=lambda item: item[1][0])]
    source = tmp_path / "v.vcf"
    source.write_text("\n".join(lines) + "\n")
    normed = tmp_path / "n.vcf"
    pysam.bcftools.norm("-f", str(fasta), "-o", str(normed), str(source), catch_stdout=False)
    expected = {}
    for line in normed.read_text().splitlines():
        if not line.startswith("#"):
            _, position, identifier, ref, alt = line.split("\t")[:5]
            expected[int(identifier)] = (int(position) - 1, ref, alt)
    fetch = lambda start, end: text[max(start, 0) : end]  # noqa: E731
    assert len(expected) == len(variants)
    for i, (at, ref, alt) in enumerate(variants):
        assert left_align(at, ref, alt, fetch=fetch) == expected[i], (at, ref, alt)
