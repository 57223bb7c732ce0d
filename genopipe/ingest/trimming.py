"""Adapters at the end of reads: where they begin, and what is left of the read.

A read is cut where the first adapter begins. A read that would become shorter than `shortest` keeps that length, its bases from the adapter
on masked; one with fewer than `mask_below` bases before the adapter is masked whole. With `mask`, nothing is cut, only masked.

Source: Illumina BCL Convert software guide, document 1000000163594: AdapterRead1, AdapterBehavior, AdapterStringency,
MinimumAdapterOverlap, MinimumTrimmedReadLength, MaskShortReads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from genopipe.formats.sample_sheet import Sample, SampleSheet
from genopipe.kernels.read_text import find_adapters

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trimming:
    """How reads are trimmed; the settings of a sample sheet with BCL Convert's defaults."""

    mask: bool = False
    stringency: float = 0.9
    overlap: int = 1
    shortest: int = 35
    mask_below: int = 22


def trimming_of(sheet: SampleSheet) -> Trimming:
    """The settings of a sheet. Raises BadInput with the line for a value that cannot be."""
    behavior = _setting(sheet, "adapterbehavior", str.lower, lambda value: value in ("trim", "mask"), "trim or mask", "trim")
    return Trimming(
        mask=behavior == "mask",
        stringency=_setting(sheet, "adapterstringency", float, lambda value: 0.5 <= value <= 1, "a number from 0.5 to 1", 0.9),
        overlap=_setting(sheet, "minimumadapteroverlap", int, lambda value: 1 <= value <= 3, "1, 2 or 3", 1),
        shortest=_setting(sheet, "minimumtrimmedreadlength", int, lambda value: 0 <= value < 10_000, "a number of bases", 35),
        mask_below=_setting(sheet, "maskshortreads", int, lambda value: 0 <= value < 10_000, "a number of bases", 22),
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
    kept = length.copy()
    if len(adapters[0]):
        find_adapters(calls, chosen, column, *adapters, trimming.stringency, trimming.overlap, kept)
        found = kept < length
        shortest = np.minimum(length, trimming.shortest).astype(np.int32)
        if not trimming.mask:
            length = np.where(found, np.maximum(kept, shortest), length).astype(np.int32)
        kept[found & (kept < trimming.mask_below)] = 0
    return np.stack([length, kept], axis=1)
