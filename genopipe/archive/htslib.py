"""CRAM by htslib, in a process of its own: records go in and come out as plain BAM bytes through pipes.

A child process keeps a crash or a flood of messages of the C library away, and uses a second core. References are given by path only:
nothing is looked up in a cache or on the net, so that a CRAM depends on what its manifest names and on nothing else.

Source: CRAM format specification 3.1; htslib 1.24 (`samtools view` of pysam).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from isal import igzip

_VIEW = "import sys, pysam; pysam.view(*sys.argv[1:], catch_stdout=False)"
_PROFILES = {"fast": "normal", "archive": "archive"}
PIECE_BYTES = 4 << 20


class HtslibFailed(Exception):
    """htslib refused what it was given; the caller takes another representation, or names the damaged file."""


def encode_cram(plain_bam: Iterable[bytes], cram: Path, *, reference: Path | None, profile: str) -> None:
    """Writes a CRAM 3.1 of a BAM given in pieces. Raises HtslibFailed when htslib refuses it."""
    encoding = f"cram,version=3.1,{_PROFILES[profile]}"
    source = ["-T", str(reference)] if reference else []
    if not reference:
        encoding += ",embed_ref=2"
    with tempfile.TemporaryFile() as messages:
        child = _view(["-C", *source, "--output-fmt", encoding, "-o", str(cram), "-"], stdin=subprocess.PIPE, stderr=messages.fileno())
        assert child.stdin is not None
        try:
            for piece in plain_bam:
                child.stdin.write(piece)
            child.stdin.close()
        except BrokenPipeError:
            child.stdin = None
        except BaseException:
            child.kill()
            child.wait()
            raise
        _end(child, messages.fileno())


def decode_cram(cram: Path, *, reference: Path | None) -> Iterator[bytes]:
    """The BAM that a CRAM holds, in pieces of plain bytes. Raises HtslibFailed when it cannot be decoded."""
    source = ["-T", str(reference)] if reference else []
    with tempfile.TemporaryFile() as messages:
        child = _view(["-u", *source, str(cram), "-o", "-"], stdout=subprocess.PIPE, stderr=messages.fileno())
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


def _view(arguments: list[str], **pipes: int) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ("REF_PATH", "REF_CACHE")}
    return subprocess.Popen([sys.executable, "-c", _VIEW, "--no-PG", *arguments], env=environment, **pipes)  # type: ignore[call-overload]


def _end(child: subprocess.Popen[bytes], messages: int) -> None:
    if child.wait() != 0:
        os.lseek(messages, 0, os.SEEK_SET)
        lines = os.read(messages, 1 << 16).decode(errors="replace").strip().splitlines()
        raise HtslibFailed(lines[-1] if lines else f"exit status {child.returncode}")
