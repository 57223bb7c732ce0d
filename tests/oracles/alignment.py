"""NM and MD of a record, counted base by base from the reference."""

from __future__ import annotations

import pysam


def nm_and_md(record: pysam.AlignedSegment, reference: str) -> tuple[int, str]:
    """Recounted for a record whose contig has the sequence `reference`."""
    query = record.query_sequence or ""
    position, row, distance, same, text = record.reference_start, 0, 0, 0, ""
    for operation, length in record.cigartuples or []:
        if operation == 4:
            row += length
        elif operation == 1:
            row, distance = row + length, distance + length
        elif operation == 2:
            text, same, distance = text + f"{same}^{reference[position : position + length]}", 0, distance + length
            position += length
        else:
            for _ in range(length):
                if query[row] == reference[position] and query[row] in "ACGT":
                    same += 1
                else:
                    text, same, distance = text + f"{same}{reference[position]}", 0, distance + 1
                row, position = row + 1, position + 1
    return distance, text + str(same)
