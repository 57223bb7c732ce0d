"""The numbered lines of a text file, plain or gzip, with line ends LF or CR LF: what every reader of a line-based format begins with.

The end of each line is taken off, `\\r\\n` too, and the byte order mark that spreadsheets put before the first. A file that is not
there, is a pipe, not UTF-8 or a truncated gzip is a `BadInput` with its path and, where there is one, the line.
"""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from genopipe.errors import BadInput

_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (line number from 1, line without its end). Raises BadInput."""
    number = 0
    try:
        with open(path, "rb") as raw:
            if not raw.seekable():
                raise BadInput("a pipe", wanted="a file, which may be read twice", do="Write it to a file first.", path=path)
            zipped = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            for line in gzip.GzipFile(fileobj=raw) if zipped else raw:
                number += 1
                if number == 1 and b"\r" in line.rstrip(b"\r\n"):
                    do = "Save it with other line ends."
                    raise BadInput("lines that end in CR alone", wanted="LF or CR LF", do=do, path=path, line=1)
                yield number, line.removeprefix(BOM_UTF8 if number == 1 else b"").decode().rstrip("\r\n")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BadInput("no such file", wanted="a readable file", do="Check the path.", path=path) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(
            f"the gzip data is damaged or ends early after line {number}", wanted="a whole gzip file", do="Copy the file again.", path=path
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput("bytes that are no UTF-8", wanted="text", do="Check the file's encoding.", path=path, line=number) from error
