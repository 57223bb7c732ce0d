"""The pileup base by base in plain Python, over `(position, reverse, mapping quality, cigar, bases, qualities)` tuples without mates."""

from __future__ import annotations

from collections import defaultdict


def aligned(position, cigar):
    """(reference position, read offset) of every aligned base, and the spans of the gaps."""
    pairs, gaps, offset = [], [], 0
    for operation, length in cigar:
        if operation in (0, 7, 8):
            pairs += [(position + i, offset + i) for i in range(length)]
        if operation == 2:
            gaps += range(position, position + length)
        position += length if operation in (0, 2, 3, 7, 8) else 0
        offset += length if operation in (0, 1, 4, 7, 8) else 0
    return pairs, gaps


def counts(reads, min_quality):
    """{(position, code, strand): bases} and {position: reads over it, gaps included}."""
    base_count, depth = defaultdict(int), defaultdict(int)
    for position, reverse, mapping_quality, cigar, bases, qualities in reads:
        pairs, gaps = aligned(position, cigar)
        for place, offset in pairs:
            depth[place] += 1
            if min(qualities[offset], mapping_quality) >= min_quality and bases[offset] < 4:
                base_count[place, bases[offset], int(reverse)] += 1
        for place in gaps:
            depth[place] += 1
    return dict(base_count), dict(depth)
