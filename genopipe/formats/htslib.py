"""htslib (samtools of pysam) in a process of its own: records go in and come out as plain BAM bytes through pipes.

A child process keeps a crash or a flood of messages of the C library away, and uses a second core. References are given by path only:
nothing is looked up in a cache or on the net, so that a CRAM depends on the reference it is given and on nothing else.

Source: CRAM format specification 3.1; htslib 1.24 (samtools of pysam).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from isal import igzip

from genopipe.outputs import temporary_folder

_COMMAND = "import sys, pysam; getattr(pysam, sys.argv[1])(*sys.argv[2:], catch_stdout=False)"
_PROFILES = {"fast": "normal", "archive": "archive"}
PIECE_BYTES = 4 << 20
_NAME_AND_FLAG = 0x3


class HtslibFailed(Exception):
    """htslib refused what it was given; the caller takes another way, or names the damaged file. `said` is all that it wrote."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason)
        self.said = said


def encode_cram(plain_bam: Iterable[bytes], cram: Path, *, reference: Path | None, profile: str) -> None:
    """Writes a CRAM 3.1 of a BAM given in pieces; without a reference, lzma is tried too where size counts, for it finds overlapping reads.

    Raises HtslibFailed when htslib refuses the BAM.
    """
    encoding = f"cram,version=3.1,{_PROFILES[profile]}"
    if not reference:
        encoding += ",embed_ref=2" + (",use_lzma=1" if profile == "archive" else "")
    with temporary_folder(cram.parent) as folder:
        source = ["-T", _linked(reference, folder)] if reference else []
        _feed(plain_bam, ["view", "--no-PG", "-C", *source, "--output-fmt", encoding, "-o", cram.name, "-"], cwd=folder)
        os.replace(Path(folder, cram.name), cram)


def _linked(reference: Path, folder: Path) -> str:
    """The same path for any reference, seen from a process in `folder`: htslib writes it, and the file's own name, into a CRAM."""
    for suffix in ("", ".fai", ".gzi"):
        (folder / f"reference.fa.gz{suffix}").symlink_to(Path(f"{reference}{suffix}").resolve())
    return "/proc/self/cwd/reference.fa.gz"


def records_within(plain_bam: Iterable[bytes], bed: Path, out: Path) -> None:
    """Writes a BAM of the records that overlap the regions of a BED file. Raises HtslibFailed for what is no BAM."""
    _feed(plain_bam, ["view", "--no-PG", "-u", "-L", str(bed), "-o", str(out), "-"])


def write_fastq(plain_bam: Iterable[bytes], out: Path) -> None:
    """Writes the primary records as FASTQ in their order, names with /1 and /2. Raises HtslibFailed for what is no BAM."""
    with open(out, "wb") as target:
        _feed(plain_bam, ["fastq", "-N", "-"], stdout=target.fileno())


def index_cram(cram: Path, index: Path) -> None:
    """Writes where the containers of a CRAM sorted by position begin. Raises HtslibFailed for another CRAM."""
    _feed([], ["index", "-o", str(index), str(cram)])


def without_locations(cram: Path, out: Path) -> None:
    """Writes a CRAM whose header names no file of a reference, where htslib would look. Raises HtslibFailed for what is no CRAM."""
    header = out.with_suffix(".sam")
    _feed([], ["view", "--no-PG", "-H", "-o", str(header), str(cram)])
    header.write_bytes(re.sub(rb"\tUR:[^\t\n]*", b"", header.read_bytes()))
    replace_header(cram, header, out)


def replace_header(cram: Path, header: Path, out: Path) -> None:
    """Writes a CRAM with the header of a SAM file. Raises HtslibFailed for what is no CRAM."""
    with open(out, "wb") as target:
        _feed([], ["reheader", "--no-PG", str(header), str(cram)], stdout=target.fileno())


def decode_cram(cram: Path, *, reference: Path | None, names_only: bool = False) -> Iterator[bytes]:
    """The BAM that a CRAM holds, in pieces of plain bytes; with `names_only` names and flags are right, and little else is decoded.

    Raises HtslibFailed when it cannot be decoded.
    """
    source = ["-T", str(reference)] if reference else []
    source += ["--input-fmt-option", f"required_fields={_NAME_AND_FLAG}"] if names_only else []
    with tempfile.TemporaryFile() as messages:
        child = _samtools(["view", "--no-PG", "-u", *source, "-o", "-", str(cram)], stdout=subprocess.PIPE, stderr=messages.fileno())
        assert child.stdout is not None
        finished = False
        try:
            with igzip.open(child.stdout, "rb") as plain:  # type: ignore[no-untyped-call]
                while piece := plain.read(PIECE_BYTES):
                    yield piece
            finished = True
        except (EOFError, igzip.BadGzipFile):
            finished = True
        finally:
            child.stdout.close()
            if not finished:
                child.kill()
                child.wait()
        _end(child, messages.fileno())


def _feed(pieces: Iterable[bytes], command: list[str], **process: Any) -> None:
    """Runs a command of samtools with the pieces as its input."""
    with tempfile.TemporaryFile() as messages:
        child = _samtools(command, stdin=subprocess.PIPE, stderr=messages.fileno(), **process)
        assert child.stdin is not None
        try:
            for piece in pieces:
                child.stdin.write(piece)
            child.stdin.close()
        except BrokenPipeError:
            child.stdin = None
        except BaseException:
            child.kill()
            child.wait()
            raise
        _end(child, messages.fileno())


def _samtools(command: list[str], **process: Any) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ("REF_PATH", "REF_CACHE")}
    return subprocess.Popen([sys.executable, "-c", _COMMAND, *command], env=environment, **process)


def _end(child: subprocess.Popen[bytes], messages: int) -> None:
    if child.wait() != 0:
        os.lseek(messages, 0, os.SEEK_SET)
        said = os.read(messages, 1 << 16).decode(errors="replace").strip()
        errors = [line for line in said.splitlines() if line.startswith("[E::")] or said.splitlines()[-1:]
        raise HtslibFailed(errors[0][:200] if errors else f"exit status {child.returncode}", said)
