"""FASTQ parsed and measured one character at a time, the way one would explain it."""

from __future__ import annotations

from typing import NamedTuple


class Record(NamedTuple):
    """A read as text."""

    header: str
    name: str
    sequence: str
    quality: str


def parse(text: str) -> list[Record]:
    """The reads of well-formed FASTQ."""
    lines = text.split("\n")
    while lines and not lines[-1].strip("\r"):
        lines.pop()
    if len(lines) % 4 == 3:
        lines.append("")
    lines = [line.removesuffix("\r") for line in lines]
    records = []
    for i in range(0, len(lines), 4):
        header = lines[i][1:]
        name = header.replace("\t", " ").split(" ")[0]
        if len(name) > 2 and name[-2:] in ("/1", "/2"):
            name = name[:-2]
        records.append(Record(header, name, lines[i + 1].upper().replace(".", "N"), lines[i + 3]))
    return records


def complement(sequence: str) -> str:
    """The other strand, read backwards."""
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A"}.get(base, "N") for base in reversed(sequence))


def fragment_length(first: str, second: str) -> int:
    """The length of the fragment of an overlapping pair, 0 without: longest overlap first, then shortest fragment."""
    other = complement(second)
    best, found = 29, 0
    for length in range(30, len(first) + len(other) - 29):
        start = max(0, length - len(other))
        shift = len(other) - length
        pairs = [(first[i], other[i + shift]) for i in range(start, min(length, len(first)))]
        wrong = [a != b or a not in "ACGT" for a, b in pairs]
        if sum(wrong[:30]) <= 3 and 10 * sum(wrong) <= len(wrong) and len(wrong) > best:
            best, found = len(wrong), length
    return found


def measures(records: list[Record]) -> dict[str, int]:
    """Totals over single reads."""
    sequence = "".join(record.sequence for record in records)
    quality = [ord(character) - 33 for record in records for character in record.quality]
    return {
        "reads": len(records),
        "bases": len(sequence),
        "gc": sum(base in "GC" for base in sequence),
        "known": sum(base in "ACGT" for base in sequence),
        "q20_bases": sum(value >= 20 for value in quality),
        "q30_bases": sum(value >= 30 for value in quality),
        "quality_sum": sum(quality),
        "poly_g": sum(record.sequence.endswith("G" * 10) for record in records),
        "truseq": sum("AGATCGGAAGAG" in record.sequence for record in records),
    }
