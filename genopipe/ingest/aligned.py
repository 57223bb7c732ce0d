"""What the alignments of a sample tell of it: coverage, sex, contamination, and a fingerprint to know the person by.

`measure_aligned` writes `SAMPLE.aligned.json`, the same as a page, `SAMPLE.genes.tsv` with the coverage of every gene, and
`SAMPLE.fingerprint.tsv` with the alleles at common sites, which `genopipe ingest family` compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.formats.gff import Transcript
from genopipe.formats.sample_name import check_sample_name
from genopipe.ingest.aligned_report import aligned_page
from genopipe.ingest.alignment_counts import BASES, DUPLICATES, MAPPED, PROPER, READS, WELL_MAPPED
from genopipe.ingest.alignment_pass import THRESHOLDS, AlignmentCounts, Wanted, count_alignments
from genopipe.ingest.contamination import estimate_contamination
from genopipe.ingest.counted import counted_bases
from genopipe.ingest.fingerprint import fingerprint_table
from genopipe.ingest.multiqc import write_alignments
from genopipe.ingest.ratios import ratio
from genopipe.ingest.sites import Sites
from genopipe.model import Contig, Genome
from genopipe.outputs import make_folder, whole_file, write_json

SCHEMA_VERSION = 1

FEMALE_X, MALE_Y = 0.75, 0.15
"""Depth of X over that of the autosomes from which there are two of them, and of Y from which there is one. An X alone gives 0.5; reads of
X and of the pseudoautosomal regions that are placed on Y stay below 0.15."""

_X, _Y, _MITOCHONDRION = ("X", "chrX"), ("Y", "chrY"), ("MT", "M", "chrM", "chrMT")
_AUTOSOME = re.compile(r"(?:chr)?\d+")


def measure_aligned(bam: Path, sample: str, folder: Path, *, wanted: Wanted, sex: str | None = None, threads: int = 1) -> dict[str, Any]:
    """Measures the alignments of a sample and writes the files named above into `folder`; gives the measures.

    `sex` is what the sample is said to be. Raises BadInput for a BAM that is damaged, not sorted, without reads, or of another reference.
    """
    check_sample_name(sample)
    make_folder(folder)
    counts = count_alignments(bam, wanted, threads=threads)
    if not counts.flags[READS]:
        raise BadInput("the file holds no reads", wanted="alignments", do="Check how it was made.", path=bam)
    measures = aligned_summary(counts, sample, wanted=wanted, sex=sex)
    with whole_file(folder / f"{sample}.genes.tsv") as genes, whole_file(folder / f"{sample}.fingerprint.tsv") as fingerprint:
        genes.write_text(gene_table(counts.gene))
        fingerprint.write_text(fingerprint_table(wanted.genome, wanted.sites, counts.allele))
        with whole_file(folder / f"{sample}.aligned.html") as page:
            page.write_text(aligned_page(measures), encoding="utf-8")
            write_json(folder / f"{sample}.aligned.json", measures)
            write_alignments(folder, measures)
    return measures


def aligned_summary(counts: AlignmentCounts, sample: str, *, wanted: Wanted, sex: str | None) -> dict[str, Any]:
    """The measures as written to `SAMPLE.aligned.json`; described in docs/ingest.md."""
    depth = _with_unseen(counts.depth, wanted)
    autosomes = autosomes_of(wanted.genome.contigs)
    autosomal = sum((depth[contig.name] for contig in autosomes), np.zeros_like(next(iter(depth.values()))))
    whole = autosomal if autosomal.any() else sum(depth.values(), autosomal)
    captured = {} if wanted.targets is None else {"targets": {"bases": sum(int(one.sum()) for one in depth.values())}}
    return {
        "schema": SCHEMA_VERSION,
        "measures": "alignments",
        "sample": sample,
        **captured,
        "reads": _reads(counts.flags),
        "template_length": _template_length(counts.template),
        "coverage": {**_coverage(whole), "depth_bases": np.trim_zeros(whole, "b").tolist()},
        "contigs": [{"name": name, **_coverage(one)} for name, one in depth.items() if one.sum() and counts.depth.get(name) is not None],
        "genes": _genes(counts.gene),
        "sex": _sex(depth, mean_depth(autosomal), sex),
        "contamination": _contamination(counts.allele, wanted.sites, autosomes, wanted.genome),
    }


def autosomes_of(contigs: Sequence[Contig]) -> list[Contig]:
    """Contigs named by a number; where there is none, all but X, Y and the mitochondrial genome."""
    numbered = [contig for contig in contigs if _AUTOSOME.fullmatch(contig.name)]
    return numbered or [contig for contig in contigs if contig.name not in _X + _Y + _MITOCHONDRION] or list(contigs)


def _with_unseen(depth: Mapping[str, NDArray[np.int64]], wanted: Wanted) -> dict[str, NDArray[np.int64]]:
    """Contigs without a read have depth 0 everywhere."""
    every = {}
    for contig in wanted.genome.contigs:
        every[contig.name] = depth.get(contig.name)
        if every[contig.name] is None:
            counted = counted_bases(wanted.genome, contig, wanted.targets)
            every[contig.name] = np.bincount([0], [counted], 1001).astype(np.int64)
    return every  # type: ignore[return-value]


def _reads(flags: NDArray[np.int64]) -> dict[str, Any]:
    reads, mapped = int(flags[READS]), int(flags[MAPPED])
    return {
        "reads": reads,
        "bases": int(flags[BASES]),
        "mapped_fraction": ratio(mapped, reads),
        "well_mapped_fraction": ratio(int(flags[WELL_MAPPED]), reads),
        "properly_paired_fraction": ratio(int(flags[PROPER]), reads),
        "duplicate_fraction": ratio(int(flags[DUPLICATES]), mapped),
    }


def _template_length(pairs: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "pairs": int(pairs.sum()),
        "median": _quantile(pairs, 0.5),
        "lower_quartile": _quantile(pairs, 0.25),
        "upper_quartile": _quantile(pairs, 0.75),
        "histogram": [[length, n] for length, n in enumerate(pairs.tolist()) if n],
    }


def _quantile(histogram: NDArray[np.int64], share: float) -> int | None:
    """The lowest value that so many of all reach; None of none."""
    total = int(histogram.sum())
    return int(np.searchsorted(np.cumsum(histogram), share * total)) if total else None


def mean_depth(histogram: NDArray[np.int64]) -> float:
    return ratio(int(histogram @ np.arange(len(histogram))), int(histogram.sum()), 3)


def _coverage(histogram: NDArray[np.int64]) -> dict[str, Any]:
    bases = int(histogram.sum())
    return {
        "bases": bases,
        "mean": mean_depth(histogram),
        "median": _quantile(histogram, 0.5),
        **{f"fraction_{depth}x": ratio(int(histogram[depth:].sum()), bases) for depth in THRESHOLDS},
    }


def _genes(gene: Mapping[str, NDArray[np.int64]]) -> dict[str, Any] | None:
    """How many genes are covered; None without gene models."""
    if not gene:
        return None
    whole = [name for name, counts in gene.items() if counts[2 + THRESHOLDS.index(20)] == counts[0]]
    bases = sum(int(counts[0]) for counts in gene.values())
    deep = sum(int(counts[2 + THRESHOLDS.index(20)]) for counts in gene.values())
    return {"genes": len(gene), "whole_20x": len(whole), "bases": bases, "fraction_20x": ratio(deep, bases)}


def gene_table(gene: Mapping[str, NDArray[np.int64]]) -> str:
    """A line a gene: its coding bases, their mean depth, the share at each of `THRESHOLDS`."""
    lines = ["\t".join(["gene", "bases", "mean_depth", *(f"share_{depth}x" for depth in THRESHOLDS)])]
    for name in sorted(gene):
        bases, together, *deep = gene[name].tolist()
        lines.append("\t".join([name, str(bases), f"{ratio(together, bases, 2):.2f}", *(f"{ratio(n, bases, 4):.4f}" for n in deep)]))
    return "\n".join(lines) + "\n"


def representative_transcripts(transcripts: Sequence[Transcript]) -> list[Transcript]:
    """One coding transcript a gene and contig: the MANE Select one, else the canonical, else the one with most coding bases."""

    def rank(one: Transcript) -> tuple[bool, bool, int, str]:
        return one.mane, one.canonical, sum(end - start for start, end in one.coding), one.id

    best: dict[tuple[str, str], Transcript] = {}
    for one in transcripts:
        key = (one.gene, one.contig)
        if one.coding and (key not in best or rank(one) > rank(best[key])):
            best[key] = one
    return list(best.values())


def _sex(depth: Mapping[str, NDArray[np.int64]], autosomal: float, said: str | None) -> dict[str, Any]:
    x = next((mean_depth(one) for name, one in depth.items() if name in _X and one.sum()), None)
    y = next((mean_depth(one) for name, one in depth.items() if name in _Y and one.sum()), None)
    x_ratio = round(x / autosomal, 3) if x is not None and autosomal else None
    y_ratio = round(y / autosomal, 3) if y is not None and autosomal else None
    found = sex_of(x_ratio, y_ratio)
    agrees = said == found if said in ("female", "male") and found in ("female", "male") else None
    return {"x_depth_ratio": x_ratio, "y_depth_ratio": y_ratio, "found": found, "said": said, "agrees": agrees}


def sex_of(x_ratio: float | None, y_ratio: float | None) -> str | None:
    """female, male, or unclear where X and Y tell different things; None where the genome has no X and no Y or they have no read."""
    if x_ratio is None or y_ratio is None or (x_ratio == 0 and y_ratio == 0):
        return None
    if (x_ratio >= FEMALE_X) != (y_ratio >= MALE_Y):
        return "female" if x_ratio >= FEMALE_X else "male"
    return "unclear"


def _contamination(allele: NDArray[np.int64], sites: Sites | None, autosomes: Sequence[Contig], genome: Genome) -> dict[str, Any] | None:
    """None without sites, or with too few."""
    if sites is None:
        return None
    on = np.isin(sites.contig, [i for i, contig in enumerate(genome.contigs) if contig in autosomes])
    row = np.arange(len(sites))
    reference, alternative = allele[row, sites.reference], allele[row, sites.alternative]
    other = allele[:, :4].sum(1) - reference - alternative
    found = estimate_contamination(reference[on], alternative[on], other[on], sites.frequency[on])
    return None if found is None else {key: round(value, 6) for key, value in asdict(found).items()}
