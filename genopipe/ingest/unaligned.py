"""Unaligned BAM and CRAM: the header with its read groups, and a BAM turned into a CRAM by htslib.

Source: SAM/BAM format specification, sections 1.3 (read groups) and 4.2; CRAM 3.0 without a reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genopipe import __version__
from genopipe.formats.bam import header_bytes
from genopipe.formats.bgzf import PAYLOAD, compress_block
from genopipe.ingest.encode import read_group
from genopipe.ingest.run_plan import Output, RunPlan


def bam_header(plan: RunPlan, output: Output, lanes: Sequence[int]) -> bytes:
    """Everything before the first record of a sample's file, compressed: a read group for each lane."""
    lines = ["@HD\tVN:1.6\tSO:unsorted\tGO:query"]
    for lane in lanes:
        group = read_group(plan, lane)
        unit = ".".join(filter(None, (group, output.barcode)))
        barcode = f"\tBC:{output.barcode.replace('+', '-')}" if output.barcode else ""
        lines.append(f"@RG\tID:{group}\tSM:{output.name}\tLB:{output.library}\tPL:ILLUMINA\tPU:{unit}{barcode}")
    lines.append(f"@PG\tID:genopipe\tPN:genopipe\tVN:{__version__}")
    header = header_bytes("\n".join(lines) + "\n", [])
    return b"".join(compress_block(header[at : at + PAYLOAD]) for at in range(0, len(header), PAYLOAD))


def to_cram(bam: Path, cram: Path) -> None:
    """Writes the records of an unaligned BAM as CRAM."""
    import pysam

    with (
        pysam.AlignmentFile(str(bam), check_sq=False) as source,
        pysam.AlignmentFile(str(cram), "wc", header=source.header, format_options=["no_ref=1"]) as target,
    ):
        for record in source:
            target.write(record)
