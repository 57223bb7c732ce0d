"""FASTA is streamed exactly, written as htslib would index it, and every fault is named by file and line."""

from __future__ import annotations

import gzip
from itertools import groupby
from pathlib import Path

import numpy as np
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.fasta import FastaWriter, read_fasta
from genopipe.model import BASES

SEQUENCES = st.dictionaries(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.:*=_-]{0,8}", fullmatch=True),
    st.text(BASES.decode() + BASES.decode().lower(), max_size=150),
    min_size=1,
    max_size=5,
)


def contigs(path: Path) -> dict[str, str]:
    """Names and letters of a FASTA file."""
    pieces = groupby(read_fasta(path), key=lambda piece: piece.name)
    return {name: "".join(piece.letter.tobytes().decode() for piece in parts) for name, parts in pieces}


@settings(max_examples=100)
@given(
    sequences=SEQUENCES,
    width=st.integers(1, 70),
    end=st.sampled_from(["\n", "\r\n"]),
    closed=st.booleans(),
    zipped=st.booleans(),
    piece=st.integers(2, 64),
)
def test_letters_are_read_exactly_in_pieces_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, sequences: dict[str, str], width: int, end: str, closed: bool, zipped: bool, piece: int
) -> None:
    lines = [
        line
        for name, letters in sequences.items()
        for line in [f">{name} > x", *(letters[i : i + width] for i in range(0, len(letters), width))]
    ]
    text = (end.join(lines) + (end if closed else "")).encode()
    path = tmp_path_factory.mktemp("fasta") / "x.fa"
    path.write_bytes(gzip.compress(text) if zipped else text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("genopipe.formats.inflate.PIECE", piece)
        patch.setattr("genopipe.formats.inflate.COMPRESSED_PIECE", piece)
        assert contigs(path) == {name: letters.upper() for name, letters in sequences.items()}


@settings(max_examples=60)
@given(sequences=st.dictionaries(st.sampled_from("abcdef"), st.text("ACGTN", min_size=1, max_size=200), min_size=1), cut=st.integers(1, 61))
def test_written_files_are_indexed_as_by_htslib(tmp_path_factory: pytest.TempPathFactory, sequences: dict[str, str], cut: int) -> None:
    path = tmp_path_factory.mktemp("fasta") / "x.fa.gz"
    with FastaWriter(path) as writer:
        for name, letters in sequences.items():
            writer.begin(name)
            letter = np.frombuffer(letters.encode(), np.uint8)
            for i in range(0, len(letter), cut):
                writer.add(letter[i : i + cut])
    assert contigs(path) == sequences
    ours = [path.with_name(path.name + suffix).read_bytes() for suffix in (".fai", ".gzi")]
    for suffix in (".fai", ".gzi"):
        path.with_name(path.name + suffix).unlink()
    pysam.faidx(str(path))
    assert ours == [path.with_name(path.name + suffix).read_bytes() for suffix in (".fai", ".gzi")]


def test_large_files_are_indexed_as_by_htslib(tmp_path: Path) -> None:
    path = tmp_path / "x.fa.gz"
    letter = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(1).integers(0, 4, 300_001)]
    with FastaWriter(path, threads=2) as writer:
        for name in ("a", "b"):
            writer.begin(name)
            writer.add(letter)
    with pysam.FastaFile(str(path)) as peer:
        assert peer.fetch("b", 250_000, 250_100) == letter[250_000:250_100].tobytes().decode()
    ours = (tmp_path / "x.fa.gz.gzi").read_bytes()
    (tmp_path / "x.fa.gz.gzi").unlink()
    pysam.faidx(str(path))
    assert ours == (tmp_path / "x.fa.gz.gzi").read_bytes()


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("", 1, "the file is empty"),
        ("\n\n", 3, "the file is empty"),
        ("\nACGT\n>a\nA\n", 2, "letters come before the first contig name"),
        (">a\nACGT\n>b\nAC\nA-C\n", 5, "the character '-' is no base"),
        (">a\nAC GT\n", 2, "the character ' ' is no base"),
        (">a\nAC*\n", 2, "the character '*' is no base"),
        (">a\nAC>b\nAC\n", 2, "the character '>' stands inside a line"),
        (">a\nA\n>b\nC\n>a x\nA\n", 5, "the contig name 'a' comes twice"),
        (">a\nA\n>\nA\n", 3, "the contig name '' is not allowed"),
        (">a\nA\n> b\nA\n", 3, "the contig name '' is not allowed"),
        (">a\nA\n>=b\nA\n", 3, "the contig name '=b' is not allowed"),
    ],
)
@pytest.mark.parametrize("piece", [2, 1 << 20])
def test_faults_are_named_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, text: str, line: int, message: str) -> None:
    monkeypatch.setattr("genopipe.formats.inflate.PIECE", piece)
    monkeypatch.setattr("genopipe.formats.inflate.COMPRESSED_PIECE", piece)
    path = tmp_path / "x.fa"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        contigs(path)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert message in str(caught.value)


@settings(max_examples=100)
@given(data=st.binary(max_size=40) | st.text(">acGN \r\n", max_size=40).map(str.encode))
def test_any_bytes_are_contigs_or_a_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fasta") / "x.fa"
    path.write_bytes(data)
    try:
        found = contigs(path)
    except BadInput as error:
        assert error.path == path
    else:
        assert found
