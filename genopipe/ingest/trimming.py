"""Bad and foreign ends of reads: where a bad end or an adapter begins, and what is left of the read.

A bad end is cut first, where that is asked for; then a read is cut where the first adapter begins. A read that would become shorter than
`shortest` keeps that length, its bases from the adapter on masked; one with fewer than `mask_below` bases before the adapter is masked
whole. The behavior `mask` cuts no adapter and only masks; `cut` masks nothing, as Picard.

Source: Illumina BCL Convert software guide, document 1000000163594: AdapterRead1, AdapterBehavior, AdapterStringency,
MinimumAdapterOverlap, MinimumTrimmedReadLength, MaskShortReads; Li & Durbin 2009, doi:10.1093/bioinformatics/btp324 (bad ends, `bwa -q`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadConfiguration
from genopipe.formats.sample_sheet import Sample, SampleSheet
from genopipe.kernels.read_text import find_adapters, find_bad_ends

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trimming:
    """How reads are trimmed; the settings of a sample sheet with BCL Convert's defaults. `quality` 0 leaves bad ends as they are."""

    behavior: str = "trim"
    stringency: float = 0.9
    overlap: int = 1
    shortest: int = 35
    mask_below: int = 22
    quality: int = 0


def trimming_of(sheet: SampleSheet, quality: int) -> Trimming:
    """The settings of a sheet, or of the command line, where two may say more. Raises BadInput with the line for a value that cannot be."""
    behaviors = ["trim", "mask"] if "adapterbehavior" in sheet.setting_line else ["trim", "mask", "cut"]
    longest = 3 if "minimumadapteroverlap" in sheet.setting_line else 100
    return Trimming(
        behavior=_setting(sheet, "adapterbehavior", str.lower, lambda value: value in behaviors, " or ".join(behaviors), "trim"),
        stringency=_setting(sheet, "adapterstringency", float, lambda value: 0.5 <= value <= 1, "a number from 0.5 to 1", 0.9),
        overlap=_setting(sheet, "minimumadapteroverlap", int, lambda value: 1 <= value <= longest, f"1 to {longest} bases", 1),
        shortest=_setting(sheet, "minimumtrimmedreadlength", int, lambda value: 0 <= value < 10_000, "a number of bases", 35),
        mask_below=_setting(sheet, "maskshortreads", int, lambda value: 0 <= value < 10_000, "a number of bases", 22),
        quality=quality,
    )


def flag(sheet: SampleSheet, key: str, default: bool) -> bool:
    """A setting that is 1, 0, true or false."""
    names = {"1": True, "true": True, "0": False, "false": False}
    return _setting(sheet, key, lambda value: names[value.lower()], lambda _: True, "1, 0, true or false", default)


def check_mismatches(sheet: SampleSheet) -> None:
    """Raises BadInput for BarcodeMismatchesIndex settings other than 0, 1 and 2."""
    for number in (1, 2):
        _setting(sheet, f"barcodemismatchesindex{number}", int, lambda value: 0 <= value <= 2, "0, 1 or 2", 1)


def _setting(sheet: SampleSheet, key: str, parse: Callable[[str], T], fits: Callable[[T], bool], wanted: str, default: T) -> T:
    text = sheet.settings.get(key, "")
    if not text or text.lower() == "na":
        return default
    try:
        value: T | None = parse(text)
    except (ValueError, KeyError):
        value = None
    if value is None or not fits(value):
        if key not in sheet.setting_line:
            raise BadConfiguration(f"{key} is {text!r}", wanted=wanted, do="Correct it.", key="--setting")
        raise sheet.bad(f"the setting {key} is {text!r}", wanted, sheet.setting_line[key])
    return value


Adapters = tuple[NDArray[np.uint8], NDArray[np.int64]]


def adapters_of(sheet: SampleSheet, sample: Sample | None) -> tuple[Adapters, Adapters]:
    """The adapters of reads 1 and 2 as base codes and where each begins; of a row, or of the sheet."""

    def packed(read: int) -> Adapters:
        own = sample.adapters[read] if sample is not None else None
        text = (own if own is not None else sheet.settings.get(f"adapterread{read + 1}", "")).upper()
        if not set(text) <= set("ACGT+"):
            raise sheet.bad(f"adapter {text[:40]!r}", "A, C, G and T", sheet.setting_line.get(f"adapterread{read + 1}"))
        adapters = [part for part in text.split("+") if part]
        code = np.array(["ACGT".index(base) for adapter in adapters for base in adapter], np.uint8)
        return code, np.cumsum([0, *map(len, adapters)])

    return packed(0), packed(1)


def kept_lengths(
    calls: NDArray[np.uint8], chosen: NDArray[np.int64], column: NDArray[np.int64], adapters: Adapters, trimming: Trimming
) -> NDArray[np.int32]:
    """(chosen, 2) int32: the length of each read and its bases that are not masked."""
    length = np.full(len(chosen), len(column), np.int32)
    shortest = np.minimum(length, trimming.shortest).astype(np.int32)
    if trimming.quality:
        find_bad_ends(calls, chosen, column, trimming.quality, length)
        length = np.maximum(length, shortest)
    kept = length.copy()
    if len(adapters[0]):
        find_adapters(calls, chosen, column, *adapters, trimming.stringency, trimming.overlap, kept)
        found = kept < length
        if trimming.behavior != "mask":
            length = np.where(found, np.maximum(kept, shortest), length)
        if trimming.behavior == "cut":
            return np.stack([length, length], axis=1)
        kept[found & (kept < trimming.mask_below)] = 0
    return np.stack([length, kept], axis=1)
