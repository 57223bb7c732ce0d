"""Demultiplexing and read tails written plainly, one cluster at a time, for comparison with the kernels."""

from __future__ import annotations

from collections.abc import Sequence


def letters(calls: Sequence[int]) -> str:
    """The bases of base calls (quality << 2 | base, 255 for none)."""
    return "".join("N" if call == 255 else "ACGT"[call & 3] for call in calls)


def qualities(calls: Sequence[int]) -> str:
    return "".join("#" if call == 255 else chr(33 + (call >> 2)) for call in calls)


def mismatches(read: str, barcode: str) -> int:
    """Places where a read differs from a barcode; N in the barcode agrees with all, N in the read with nothing else."""
    return sum(b not in ("N", ".") and r != b for r, b in zip(read, barcode, strict=True))


def sample_of(reads: Sequence[str], barcodes: Sequence[Sequence[str]], limits: Sequence[Sequence[int]]) -> int:
    """The one sample whose indexes differ by no more than its limits; -1 for none."""
    fits = [
        number
        for number, (barcode, limit) in enumerate(zip(barcodes, limits, strict=True))
        if all(mismatches(r, b) <= n for r, b, n in zip(reads, barcode, limit, strict=True))
    ]
    return fits[0] if len(fits) == 1 else -1


def picard_sample_of(read: str, barcodes: Sequence[str], most: int = 1, delta: int = 1, most_no_calls: int = 2) -> int:
    """Picard's rule: the nearest barcode, no-calls not counted, if it is near enough and nearer than the next."""
    distance = [sum(b != "N" and r not in ("N", b) for r, b in zip(read, barcode, strict=True)) for barcode in barcodes]
    order = sorted(range(len(barcodes)), key=lambda number: distance[number])
    if not order or distance[order[0]] > most or read.count("N") > most_no_calls:
        return -1
    if len(order) > 1 and distance[order[1]] - distance[order[0]] < delta:
        return -1
    return order[0]


def tail_start(quality: Sequence[int], bases: str) -> int:
    """Where EAMSS masks from: the start (nearest the beginning of the read) of the best scoring end, and the run of G before it."""
    scores = [sum(-2 if q >= 30 else 1 if q < 15 else 0 for q in quality[start:]) for start in range(len(quality))]
    if not scores or max(scores) < 1:
        return len(quality)
    start = scores.index(max(scores))
    run, others, at = 0, 0, start
    while at >= 0:
        if bases[at] == "G":
            run, at = run + 1, at - 1
            continue
        n = next((n for n in range(1, at + 1) if bases[at - n] == "G"), None)
        if n is None or any(others + k > max((run + k) // 10, 1) for k in range(1, n + 1)):
            break
        run, others, at = run + n, others + n, at - n
    return start + 1 - run if run >= 10 else start
