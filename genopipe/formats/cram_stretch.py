"""A sorted, indexed CRAM, read stretch by stretch: htslib decodes the records over a stretch, and they go on as plain BAM bytes.

The reads are told against the FASTA of the reference folder, never against anything looked up elsewhere.

Source: CRAM format specification 3.1, sections 6 and 9 (the end-of-file container) and CRAI.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genopipe.errors import BadInput
from genopipe.formats.bam_index import Bam, bad_bam, check_order, read_groups_of, with_digests
from genopipe.formats.bam_stream import open_stream
from genopipe.outputs import temporary_folder

MAGIC = b"CRAM"
_ENDS = (
    bytes.fromhex("0f000000ffffffff0fe0454f4600000000010005bdd94f0001000606010001000100ee63014b"),
    bytes.fromhex("0b000000ffffffff0fe0454f460000000001000001000606010001000100"),
)


def is_cram(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) == MAGIC


def ends_whole(path: Path) -> bool:
    """True when the file ends as a CRAM must, with the end-of-file container; older versions than 2.1 have none."""
    with open(path, "rb") as file:
        version = tuple(file.read(6)[4:])
        file.seek(max(file.seek(0, 2) - len(_ENDS[0]), 0))
        return version < (2, 1) or file.read().endswith(_ENDS)


def open_cram(path: Path, fasta: Path) -> Bam:
    """Header and index, checked. Raises BadInput for a file that is no whole, sorted, indexed CRAM."""
    import pysam

    pysam.set_verbosity(0)  # what is wrong is told by an error of our own
    if not ends_whole(path):
        came = f"the file ends at byte {path.stat().st_size} without the end-of-file container"
        raise bad_bam(path, came, "a whole CRAM", "Copy or make the file again.")
    try:
        with pysam.AlignmentFile(str(path), "rc", reference_filename=str(fasta)) as file:
            text = str(file.header)
            contigs = list(zip(file.references, file.lengths, strict=True))
    except (OSError, ValueError):
        raise bad_bam(path, "the header cannot be read", "a CRAM", "Copy or make the file again.") from None
    check_order(path, text)
    known = _contigs_with_reads(path)
    nothing = np.zeros(0, np.uint64)
    has_reads = tuple(row in known for row in range(len(contigs)))
    return Bam(path, with_digests(text, contigs), read_groups_of(text), tuple(nothing for _ in contigs), has_reads, fasta)


def _contigs_with_reads(path: Path) -> set[int]:
    index = path.with_name(path.name + ".crai")
    if not index.exists():
        raise bad_bam(path, "the CRAM has no index", f"{index.name} beside it", f"Make one: samtools index {path.name}")
    try:
        with gzip.open(index, "rt") as file:
            return {int(line.split("\t", 1)[0]) for line in file}
    except (OSError, EOFError, ValueError):
        raise bad_bam(index, "the index cannot be read", f"an index of {path.name}", f"Make it again: samtools index {path.name}") from None


def stretch_pieces(bam: Bam, contig: int, start: int, end: int) -> Iterator[bytes]:
    """The BAM records over bases `start` to `end` of a contig as plain bytes. Raises BadInput for records that cannot be decoded."""
    import pysam

    with temporary_folder() as folder:
        plain, fasta = Path(folder, "stretch.bam"), _with_its_names(bam, folder)
        try:
            with (
                pysam.AlignmentFile(str(bam.path), "rc", reference_filename=str(fasta)) as source,
                pysam.AlignmentFile(str(plain), "wbu", template=source) as target,
            ):
                for record in source.fetch(bam.contigs[contig].name, start, end):
                    target.write(record)
        except (OSError, ValueError) as error:
            raise _damaged(bam.path, bam.contigs[contig].name, start, error) from None
        yield from (batch.byte.tobytes() for batch in open_stream(plain).batches())


def _with_its_names(bam: Bam, folder: Path) -> Path:
    """The FASTA of a CRAM; where contigs have other names there, a link to it in `folder`, indexed by the names of the CRAM."""
    fasta = bam.fasta
    assert fasta is not None
    if not bam.alias:
        return fasta
    for name in (fasta.name, f"{fasta.name}.gzi"):
        (folder / name).symlink_to(fasta.with_name(name).resolve())
    theirs = {contig: name for name, contig in bam.alias.items()}
    index = [line.split("\t", 1) for line in fasta.with_name(f"{fasta.name}.fai").read_text().splitlines()]
    (folder / f"{fasta.name}.fai").write_text("".join(f"{theirs.get(name, name)}\t{rest}\n" for name, rest in index))
    return folder / fasta.name


def _damaged(path: Path, contig: str, start: int, error: Exception) -> BadInput:
    return bad_bam(
        path,
        f"the records from {contig}:{start + 1:,} on cannot be decoded ({error})",
        "a whole CRAM made with this reference",
        "Copy or make the file again, or give the reference that it was made with.",
    )
