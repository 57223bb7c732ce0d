"""`genopipe train-filter`: a learnt filter from donors whose truth is known.

Every record that the caller finds in a donor, however poor, is a row: its features, and whether its genotype is right. Trees are grown on
the donors to learn from, and judged on those that were kept back, beside the plain thresholds; both counts go into the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genopipe.call.boosting import Growth, grow
from genopipe.call.caller import cells
from genopipe.call.events import Stretch
from genopipe.call.features import FEATURES
from genopipe.call.filters import failed_thresholds
from genopipe.call.fit import fit_model
from genopipe.call.forest import Forest, save_forest
from genopipe.call.input import open_input
from genopipe.call.labels import UNSURE, WRONG, labels, read_truth
from genopipe.call.looks import Calling
from genopipe.call.settings import DEFAULT, Settings
from genopipe.call.windows import call_window
from genopipe.errors import BadInput
from genopipe.formats.genome import fetch, load_genome
from genopipe.progress import log

_LEAST_WRONG = 20


@dataclass(frozen=True, slots=True)
class Donor:
    """A donor's reads, its truth, and the reference folder that both are of."""

    reference: Path
    bam: Path
    truth: Path


@dataclass(frozen=True, slots=True)
class Rows:
    """Records of donors: (rows, features) int64, whether wrong, and whether the plain thresholds would fail them."""

    feature: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    failed: NDArray[np.bool_]


def train_filter(learn: list[Donor], judge: list[Donor], output: Path) -> Forest:
    """Writes the filter that `learn` teaches, with its evaluation on `judge`.

    Raises BadInput for donors that do not fit their reference, or that hold too few wrong records to learn from.
    """
    growth = Growth()
    seen, unseen = rows_of(learn), rows_of(judge)
    if seen.wrong.sum() < _LEAST_WRONG:
        raise BadInput(
            f"{int(seen.wrong.sum())} wrong records among {len(seen.wrong):,}",
            wanted=f"at least {_LEAST_WRONG} to learn from",
            do="Give more donors, or donors at lower depth.",
        )
    start, trees = grow(seen.feature, seen.wrong, growth)
    forest = Forest(trees, start, {})
    provenance = {
        "genopipe": version("genopipe"),
        "growth": {name: getattr(growth, name) for name in growth.__slots__},
        "learnt_from": [_told(donor) for donor in learn],
        "judged_on": [_told(donor) for donor in judge],
        "evaluation": {"learnt_from": evaluation(forest, seen), "judged_on": evaluation(forest, unseen)},
    }
    forest = replace(forest, provenance=provenance)
    save_forest(forest, output)
    return forest


def evaluation(forest: Forest, rows: Rows) -> dict[str, dict[str, int] | int]:
    """How many records there are, and what the trees and the plain thresholds pass and fail of them."""
    by_trees = forest.scores(rows.feature) > 0
    return {
        "records": len(rows.wrong),
        "wrong": int(rows.wrong.sum()),
        "trees": _mistakes(by_trees, rows.wrong),
        "thresholds": _mistakes(rows.failed, rows.wrong),
    }


def _mistakes(failed: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> dict[str, int]:
    return {"wrong_passed": int((wrong & ~failed).sum()), "right_failed": int((~wrong & failed).sum())}


def _told(donor: Donor) -> dict[str, str]:
    """Names and digests of a donor's files, without their folders."""
    return {
        "reference": load_genome(donor.reference).name,
        "reads_sha256": hashlib.sha256(donor.bam.read_bytes()).hexdigest(),
        "truth_sha256": hashlib.sha256(donor.truth.read_bytes()).hexdigest(),
    }


def rows_of(donors: list[Donor], settings: Settings = DEFAULT) -> Rows:
    """The records of donors, those left out that the truth does not settle."""
    parts = [part for donor in donors for part in _donor_rows(donor, settings)]
    features = np.concatenate([np.empty((0, len(FEATURES)), np.int64), *(part.feature for part in parts)])
    empty = np.empty(0, bool)
    return Rows(features, np.concatenate([empty, *(p.wrong for p in parts)]), np.concatenate([empty, *(p.failed for p in parts)]))


def _donor_rows(donor: Donor, settings: Settings) -> list[Rows]:
    genome, truth = load_genome(donor.reference), read_truth(donor.truth)
    reads = open_input(donor.reference, genome, donor.bam)
    model = fit_model(genome, reads, threads=1, settings=settings)
    calling = Calling(genome, reads.bam, reads.read_groups, model, model.fitted(settings), with_features=True)
    parts = []
    for contig in genome.contigs:
        if contig.name not in reads.row or contig.name not in truth:
            continue
        for window in cells(contig, reads.row[contig.name], 0, contig.length, settings):
            found = call_window(calling, window)
            low, high = max(window.start - settings.padding, 0), min(window.end + settings.padding, contig.length)
            stretch = Stretch(low, fetch(genome, contig.name, low, high).tobytes())
            inside = [record for record in truth[contig.name] if low + 200 <= record[0] < high - 200]
            label = labels(found.sites, inside, stretch)
            known = label != UNSURE
            failed = np.array([bool(failed_thresholds(site, settings)) for site in found.sites], bool)
            parts.append(Rows(found.features[known], label[known] == WRONG, failed[known]))
    counts = sum(len(part.wrong) for part in parts), sum(int(part.wrong.sum()) for part in parts)
    log.info("%s: %s records, %s of them wrong", donor.bam.name, f"{counts[0]:,}", f"{counts[1]:,}")
    return parts
