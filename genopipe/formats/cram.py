"""CRAM to BAM and back by htslib: its own process for reading, so that records come as plain BAM bytes through a pipe.

References are given by path only: nothing is looked up in a cache or on the net.

Source: CRAM format specification 3.1; `samtools view` of pysam.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from isal import igzip

from genopipe.errors import BadEnvironment, BadInput
from genopipe.outputs import whole_file

MAGIC = b"CRAM"
_VIEW = "import sys, pysam; pysam.view(*sys.argv[1:], catch_stdout=False)"
_REHEADER = "import sys, pysam; pysam.reheader(*sys.argv[1:], catch_stdout=False)"
_PIECE = 1 << 20
LEAST_FREE = 1 << 20


def cram_pieces(cram: Path, fasta: Path | None) -> Iterator[bytes]:
    """The BAM that a CRAM holds, in pieces of plain bytes; `fasta` is used where it embeds no reference.

    Raises BadInput where htslib cannot decode it.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ("REF_PATH", "REF_CACHE")}
    reference = [] if fasta is None else ["-T", str(fasta)]
    command = [sys.executable, "-c", _VIEW, "-u", "--no-PG", *reference, str(cram), "-o", "-"]
    with tempfile.TemporaryFile() as messages:
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=messages)
        assert child.stdout is not None
        try:
            with igzip.open(child.stdout, "rb") as plain:  # type: ignore[no-untyped-call]
                yield from iter(lambda: plain.read(_PIECE), b"")
        except (EOFError, igzip.BadGzipFile):
            child.wait()
        finally:
            child.stdout.close()
            if child.poll() is None:
                child.terminate()
        if child.wait() != 0:
            messages.seek(0)
            raise _unreadable(cram, messages.read().decode(errors="replace"))


def write_cram(bam: Path, fasta: Path, output: Path, *, threads: int) -> None:
    """Writes `bam` as a CRAM with its index beside it, whole or not at all; working files go beside `bam`.

    htslib puts the name of the file into a CRAM, and the path of the FASTA into its header: so it writes to a file of a fixed name, and the
    header of `bam` is put back.
    """
    import pysam
    from pysam.utils import SamtoolsError

    index = output.with_name(output.name + ".crai")
    with whole_file(index) as partial_index, whole_file(output) as partial:
        try:
            with_path, header = bam.with_name("alignments.cram"), bam.with_name("header.sam")
            pysam.view("-C", "-T", str(fasta), "--no-PG", "-@", str(threads - 1), "-o", str(with_path), str(bam), catch_stdout=False)
            header.write_text(str(pysam.view("-H", "--no-PG", str(bam))))
            if failure := _reheader(header, with_path, partial):
                raise _write_error(failure, output)
            pysam.index("-o", str(partial_index), str(partial))
        except SamtoolsError as error:
            raise _write_error(str(error), output) from error


def _reheader(header: Path, cram: Path, output: Path) -> str:
    """Writes `cram` with another header; gives why it could not."""
    with open(output, "wb") as out:
        command = [sys.executable, "-c", _REHEADER, "--no-PG", str(header), str(cram)]
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit status {done.returncode}"


def _unreadable(cram: Path, messages: str) -> BadInput:
    lines = [line for line in messages.splitlines() if line.startswith("[E::")] or ["htslib gave no reason"]
    wanted = "a whole CRAM that embeds its reference, needs none, or was made with this one"
    return BadInput(
        f"the CRAM cannot be decoded ({lines[0][:200]})", wanted=wanted, do="Make a BAM of it with its own reference.", path=cram
    )


def _write_error(message: str, output: Path) -> Exception:
    """What a failure of samtools to write `output` means: the operating system's error where it names one, or none is left to write to."""
    if shutil.disk_usage(output.parent).free < LEAST_FREE:  # htslib does not say why closing a file failed
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(output))
    for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        if os.strerror(code) in message:
            return OSError(code, os.strerror(code), str(output))
    return BadEnvironment(
        f"samtools could not write the CRAM ({message})",
        wanted="free space for the output and a whole reference",
        do="Check both, then run again, or write a .bam.",
        path=output,
    )
