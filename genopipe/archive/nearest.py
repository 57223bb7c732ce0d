"""Which encoder is nearest to a gzip file that none makes exactly, and the corrections that make the file of it."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import replace
from pathlib import Path

from genopipe.archive.container import PIECE_BYTES, TAIL, MemberReader, Recipe, Unwrapped, bgzf_blocks
from genopipe.archive.corrections import packed, write_corrections
from genopipe.archive.deflate_tokens import NotDeflate
from genopipe.archive.encoders import Encoder, foretellers
from genopipe.archive.gzip_corrections import Segments, share

_NEAR_BLOCKS = 4
"""Blocks of the sample that tell which encoder is nearest."""
_NEAR_LEVEL = 1


def nearest(found: Unwrapped) -> tuple[Recipe, float] | None:
    """A recipe to be corrected, and the bytes of its corrections for each byte of the file, told by a sample; None where there is none."""
    if found.recipe is None:
        return None
    told = [(each, encoder) for encoder in foretellers() if (each := _share(found, encoder)) is not None]
    if not told:
        return None
    least, encoder = min(told, key=lambda each: each[0])
    return found.recipe(encoder=encoder), least


def _share(found: Unwrapped, encoder: Encoder) -> float | None:
    if found.kind == "bgzf":
        some = found.sample[-_NEAR_BLOCKS:]
        return len(packed(some, encoder, _NEAR_LEVEL)) / sum(len(deflated) for _, deflated in some) if some else None
    try:
        return share(*found.sample[0], encoder) if encoder.foretells_streams else None
    except NotDeflate:
        return None


def correct(path: Path, recipe: Recipe, corrections: Path) -> Recipe | None:
    """The recipe with corrections, which are written, so that it makes this file; None where that cannot be."""
    with open(path, "rb", buffering=PIECE_BYTES) as source:
        if recipe.kind == "bgzf":
            blocks = ((payload, rest[: -TAIL.size]) for _, rest, payload in bgzf_blocks(path, source))
            write_corrections(itertools.islice(blocks, len(recipe.size)), recipe.encoder, corrections)
        elif not _correct_gzip(MemberReader(path, source), recipe.encoder, corrections):
            return None
    return replace(recipe, corrections=corrections)


def _correct_gzip(reader: MemberReader, encoder: Encoder, corrections: Path) -> bool:
    with open(corrections, "wb") as target:
        segments = Segments(encoder, target)
        try:
            while reader.more() and reader.header():
                deque(reader.member(segments), maxlen=0)
                segments.end()
        except NotDeflate:
            return False
    return True
