"""Options that mean the same everywhere, each worded once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from genopipe import device

ExistingFile = click.Path(exists=True, dir_okay=False, path_type=Path)
ExistingFolder = click.Path(exists=True, file_okay=False, path_type=Path)
OutputFolder = click.Path(file_okay=False, path_type=Path)


class _NewFile(click.Path):
    """A file that appears whole under its name: a pipe or a device would be replaced by it, and standard output has no name."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if str(path) == "-" or path.absolute().parent == Path("/dev") or (path.exists() and not path.is_file()):
            self.fail(f"{str(path)!r} is no file; give the name of one, as outputs appear whole or not at all.", param, ctx)
        return path


OutputFile = _NewFile(dir_okay=False)


class Memory(click.ParamType[int]):
    """An amount of memory such as 800M or 20G, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", str(value), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is no amount of memory; write for example 800M or 20G", param, ctx)
        return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


class ArchivePlace(click.ParamType[Any]):
    """Where an archive is: a folder, or s3://bucket/prefix, which stays text."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).startswith("s3://"):
            return value
        if "://" in str(value) or str(value).startswith("s3:"):
            self.fail(f"{value!r} is neither a folder nor s3://bucket/prefix", param, ctx)
        return OutputFolder.convert(value, param, ctx)


class Instant(click.ParamType[str]):
    """A moment in UTC such as 2026-11-20T10:00:00Z."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from genopipe.provenance import is_instant

        if not is_instant(str(value)):
            self.fail(f"{value!r} is no instant in UTC such as 2026-11-20T10:00:00Z", param, ctx)
        return str(value)


def check_each_once(files: Sequence[Path]) -> None:
    """Raises UsageError when a file of reads, or standard input, is named twice: its reads would count twice."""
    seen: dict[Path, Path] = {}
    for file in files:
        real = file.resolve()
        if real in seen:
            also = "" if seen[real] == file else f" ({seen[real]})"
            raise click.UsageError(f"{file} is given twice{also}; give every file once.")
        seen[real] = file


archive_option = click.option(
    "--archive", "root", metavar="A", type=ArchivePlace(), required=True, help="Folder of the archive, or s3://bucket/prefix."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=device.default_threads,
    show_default="all cores",
    help="Cores to use, by threads or processes; the result does not depend on it.",
)
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True, help="Where the kernels run."
)
memory_option = click.option("--memory", type=Memory(), default="4G", show_default=True, help="Memory to stay within.")
reference_option = click.option(
    "--reference", "reference", type=ExistingFolder, required=True, help="Folder made by `genopipe reference build`."
)
pixels_option = click.option(
    "--optical-distance",
    "pixels",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Pixels between optical duplicates; 2500 for patterned flow cells (HiSeq X, NovaSeq).",
)
accept_other_digests_option = click.option(
    "--accept-other-digests",
    is_flag=True,
    help="Take contigs of the BAM for the reference's if name and length agree and only the digests (M5) differ: masked differently.",
)
platform_option = click.option(
    "--platform",
    type=click.Choice(
        ["CAPILLARY", "DNBSEQ", "ELEMENT", "HELICOS", "ILLUMINA", "IONTORRENT", "LS454", "ONT", "PACBIO", "SINGULAR", "SOLID", "ULTIMA"]
    ),
    default="ILLUMINA",
    show_default=True,
    help="Sequencing platform: a value of PL that the SAM specification (section 1.3) knows.",
)
