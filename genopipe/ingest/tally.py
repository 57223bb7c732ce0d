"""What is counted while a lane is demultiplexed, and the report made of it.

For each lane: clusters and those that passed the filter; for each sample its reads, and how many of its barcodes were read without a
mismatch; the commonest barcodes of the reads that belong to nobody; and pairs of indexes of two different samples, the mark of index
hopping. Unknown barcodes are counted in full within a tile, and the `KEPT` commonest of each tile go on: a count may be too low for
barcodes that are rare, never for one that is among the commonest everywhere.

Source: Costello et al. 2018, index hopping, doi:10.1186/s12864-018-4703-0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.ingest.barcodes import Matching
from genopipe.ingest.run_plan import LanePlan, Output, RunPlan
from genopipe.ingest.tiles import Tile
from genopipe.kernels.base_calls import NO_CALL
from genopipe.progress import log

KEPT = 1000
SHOWN = 50
_BASES_IN_A_KEY = 27
_WARN_FRACTION = 0.5
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


def empty_counts() -> dict[str, Any]:
    return {"clusters": 0, "passed": 0, "samples": {}, "unknown": {}, "hopped": {}}


def add_tile(
    counts: dict[str, Any], lane: LanePlan, tile: Tile, sample: NDArray[np.int32], mismatches: NDArray[np.int32], kept: NDArray[np.bool_]
) -> None:
    """Adds the clusters of one tile: which sample each belongs to (the last output: nobody), and which are written."""
    counts["clusters"] += tile.all_clusters
    counts["passed"] += int(tile.passed.sum())
    n = len(lane.outputs)
    reads = np.bincount(sample[kept], minlength=n)
    passed = np.bincount(sample[tile.passed], minlength=n)
    perfect = np.bincount(sample[kept & (mismatches == 0)], minlength=n)
    for number, output in enumerate(lane.outputs):
        of_sample = counts["samples"].setdefault(output.name, {"reads": 0, "passed": 0, "perfect_barcode": 0})
        of_sample["reads"] += int(reads[number])
        of_sample["passed"] += int(passed[number])
        of_sample["perfect_barcode"] += int(perfect[number]) if output.sample is not None else 0


def add_unknown(counts: dict[str, Any], lane: LanePlan, calls: NDArray[np.uint8]) -> None:
    """Adds the barcodes of the clusters of a tile that belong to nobody."""
    pairs = _pairs(lane.outputs[:-1])
    seen = barcode_counts(calls, lane.matching, pairs)
    for barcode in seen.keys() & pairs.keys():
        names = " ".join(pairs[barcode])
        counts["hopped"][names] = counts["hopped"].get(names, 0) + seen[barcode]
    unknown = Counter(counts["unknown"])
    unknown.update(seen)
    counts["unknown"] = dict(sorted(unknown.items(), key=lambda item: (-item[1], item[0]))[: 10 * KEPT])


def barcode_counts(calls: NDArray[np.uint8], matching: Matching, always: Collection[str] = ()) -> Counter[str]:
    """How often the `KEPT` commonest barcodes stand in calls (clusters, columns), and those of `always`."""
    column = matching.column
    if not len(column) or not len(calls):
        return Counter()
    code = np.where(calls[:, column] == NO_CALL, 4, calls[:, column] & 3).astype(np.uint8)
    keys = [_key(code[:, at : at + _BASES_IN_A_KEY]) for at in range(0, len(column), _BASES_IN_A_KEY)]
    if len(keys) == 1:
        _, first, count = np.unique(keys[0], return_index=True, return_counts=True)
    else:
        _, first, count = np.unique(np.stack(keys, axis=1), axis=0, return_index=True, return_counts=True)
    text = np.frombuffer(b"ACGTN", np.uint8)[code[first]].view(f"S{len(column)}").ravel()
    wanted = np.array([barcode.replace("+", "").encode() for barcode in always], text.dtype)
    chosen = np.union1d(np.argsort(-count, kind="stable")[:KEPT], np.flatnonzero(np.isin(text, wanted)))
    cuts = _cuts(matching)
    return Counter({"+".join(_parts(text[at].decode(), cuts)): int(count[at]) for at in chosen})


def _cuts(matching: Matching) -> list[int]:
    """Where the index reads begin and end in a barcode."""
    index_of = matching.barcodes.index_of_word[matching.word_of]
    return [0, *(np.flatnonzero(np.diff(index_of)) + 1), len(index_of)]


def _parts(text: str, cuts: list[int]) -> list[str]:
    return [text[start:end] for start, end in pairwise(cuts)]


def _key(code: NDArray[np.uint8]) -> NDArray[np.int64]:
    key = np.zeros(len(code), np.int64)
    for column in range(code.shape[1]):
        key = key * 5 + code[:, column]
    return key


def _pairs(outputs: Sequence[Output]) -> dict[str, tuple[str, str]]:
    """The barcodes made of index 1 of one sample and index 2 of another; none where samples have one index or are cut differently."""
    indexes = [output.sample.indexes for output in outputs if output.sample is not None]
    lengths = {tuple(map(len, pair)) for pair in indexes}
    if len(lengths) != 1 or len(next(iter(lengths))) != 2 or 0 in next(iter(lengths)):
        return {}
    own = set(indexes)
    return {
        f"{first.sample.indexes[0]}+{second.sample.indexes[1]}": (first.name, second.name)
        for first in outputs
        for second in outputs
        if first.sample and second.sample and (first.sample.indexes[0], second.sample.indexes[1]) not in own
    }


def report(plan: RunPlan, counts_of_lane: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The document of `demultiplex.json`."""
    lanes = [_lane_report(lane, counts_of_lane[lane.number]) for lane in plan.lanes]
    return {
        "format": 1,
        "run": {"instrument": plan.instrument, "number": plan.run_number, "flowcell": plan.flowcell},
        "include_non_pf": plan.include_non_pf,
        "lanes": lanes,
    }


def _lane_report(lane: LanePlan, counts: Mapping[str, Any]) -> dict[str, Any]:
    rows = []
    for output in lane.outputs:
        of_sample = counts["samples"].get(output.name, {"reads": 0, "passed": 0, "perfect_barcode": 0})
        rows.append({"sample": output.name, "barcode": output.barcode, **of_sample})
    unknown = sorted(counts["unknown"].items(), key=lambda item: (-item[1], item[0]))
    hopped = sorted(counts["hopped"].items(), key=lambda item: (-item[1], item[0]))
    turned = _turned(lane.outputs[:-1], counts["unknown"])
    undetermined = rows[-1]["reads"]
    if turned > _WARN_FRACTION * max(undetermined, 1):
        log.warning(
            "lane %d: %d reads without a sample fit one when index 2 is reversed and complemented; see --index2-orientation",
            lane.number,
            turned,
        )
    return {
        "lane": lane.number,
        "clusters": counts["clusters"],
        "passed": counts["passed"],
        "samples": rows,
        "unknown_barcodes": [{"barcode": barcode, "reads": n} for barcode, n in unknown[:SHOWN]],
        "index_hopping": {
            "reads": sum(counts["hopped"].values()),
            "pairs": [dict(zip(("index1_of", "index2_of"), names.split(" "), strict=True), reads=n) for names, n in hopped[:SHOWN]],
        },
        "reads_that_fit_with_index2_reversed": turned,
    }


def _turned(outputs: Sequence[Output], unknown: Mapping[str, int]) -> int:
    """Unknown reads that are a sample's when index 2 is taken from the other strand."""
    turned = {
        f"{output.sample.indexes[0]}+{output.sample.indexes[1].translate(_COMPLEMENT)[::-1]}"
        for output in outputs
        if output.sample is not None and len(output.sample.indexes) > 1 and output.sample.indexes[1]
    }
    return sum(unknown.get(barcode, 0) for barcode in turned)
