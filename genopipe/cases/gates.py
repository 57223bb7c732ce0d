"""Gates: each measure of a sample against limits that say when to warn and when to stop.

The limits are the defaults below, those of captured samples where a case has targets, changed metric by metric by `gates:` of the site
file, then of the case file; `null` takes a gate away.
`judge` compares a file of measures with them. A stop is an error of its own, so that the workflow ends there; the verdict stays in a file,
and the case's report is written with the reason by `genopipe.cases.gate_report`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput

PASS, WARN, STOP, UNKNOWN = "pass", "warn", "stop", "not measured"


@dataclass(frozen=True, slots=True)
class Gate:
    """The limits of one metric, None where there is none; `reason` says why they are what they are."""

    name: str
    warn_below: float | None = None
    warn_above: float | None = None
    stop_below: float | None = None
    stop_above: float | None = None
    reason: str = ""


DEFAULTS: dict[str, Gate] = {
    "q30_fraction": Gate("bases of quality 30 or more", 0.75, None, 0.50, None, "Illumina promises 75 to 85 % for 2 x 150 runs"),
    "unknown_fraction": Gate("unknown bases", None, 0.01, None, 0.05, "whole cycles failed"),
    "adapter_fraction": Gate("pairs that run into the adapter", None, 0.20, None, 0.60, "fragments too short for the reads"),
    "poly_g_fraction": Gate("reads that end in G only", None, 0.02, None, 0.20, "no signal on two-colour machines"),
    "mapped_fraction": Gate("mapped reads", 0.95, None, 0.80, None, "reads of another species or a wrong reference"),
    "duplicate_fraction": Gate("duplicates", None, 0.25, None, 0.60, "too little DNA in the library"),
    "mean_coverage": Gate("mean depth of the autosomes", 20, None, 8, None, "at 8, a heterozygous variant in ten has fewer than two reads"),
    "fraction_10x": Gate("autosomal bases at 10x", 0.90, None, None, None, "what is not covered cannot be found"),
    "contamination": Gate("reads of somebody else", None, 0.02, None, 0.05, "Jun et al. 2012: calls suffer from 2 %, and badly from 5 %"),
    "sex_conflicts": Gate("samples of another sex than said", None, None, None, 0, "a swapped sample"),
    "sex_unclear": Gate("X and Y tell different sexes", None, 0, None, None, "a mixture, or a sex chromosome more or less"),
    "family_conflicts": Gate("pairs that contradict the pedigree", None, None, None, 0, "a swapped sample"),
    "titv": Gate("transitions to transversions", 1.6, 2.6, 0.8, None, "2.0 to 2.1 in a genome; 0.5 where variants are noise"),
    "het_hom": Gate("heterozygotes to homozygotes", 0.6, 3.0, None, 6.0, "1.3 to 2.1 in people; more where two are mixed"),
}
"""Why these numbers: docs/ingest.md, Gates."""

OF_TARGETS: dict[str, Gate] = {
    "mean_coverage": Gate("mean depth of the targets", 60, None, 24, None, "a fifth of the bases has less than a third of the mean"),
    "fraction_10x": Gate("bases of the targets at 10x", 0.90, None, 0.50, None, "what is not covered cannot be found"),
    "titv": Gate("transitions to transversions", 1.9, 3.5, 0.8, None, "about 2.8 to 3.0 in coding sequence, less beside it"),
}
"""The gates that are others where a case names the targets of a capture kit."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gate says of one value; `limit` is the one that was passed, `detail` what the value is made of."""

    sample: str
    metric: str
    name: str
    value: float | None
    verdict: str
    limit: float | None = None
    reason: str = ""
    detail: str = ""

    def told(self) -> str:
        """The verdict as a sentence."""
        if self.value is None:
            return f"{self.sample}: {self.name}: not measured"
        told = f"{self.sample}: {self.name} is {self.value:g}"
        if self.limit is None:
            return told
        return f"{told}, limit {self.limit:g}{': ' * bool(self.detail)}{self.detail} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Judgement:
    """All verdicts over some files of measures."""

    verdicts: tuple[Verdict, ...] = field(default_factory=tuple)

    def of(self, verdict: str) -> list[Verdict]:
        return [one for one in self.verdicts if one.verdict == verdict]

    @property
    def worst(self) -> str:
        return next((verdict for verdict in (STOP, WARN) if self.of(verdict)), PASS)

    def document(self) -> dict[str, Any]:
        return {"schema": 1, "verdict": self.worst, "gates": [asdict(one) for one in self.verdicts]}


def gates_with(*layers: Mapping[str, Mapping[str, float] | None], captured: bool = False) -> dict[str, Gate]:
    """The default gates, of captured samples or others, with the limits that layers change; later ones win. A metric that is None has no
    gate."""
    defaults = DEFAULTS | OF_TARGETS if captured else DEFAULTS
    gates = dict(defaults)
    for metric, limits in ((metric, limits) for layer in layers for metric, limits in layer.items()):
        if limits is None:
            gates.pop(metric, None)
        else:
            default = defaults[metric]
            gates[metric] = Gate(default.name, **limits, reason=default.reason)
    return gates


def judge(files: list[Path], gates: Mapping[str, Gate]) -> Judgement:
    """The verdicts over files of measures, as `genopipe ingest` writes them. Raises BadInput for another file."""
    measured = [one for file in files for one in _metrics(file)]
    return Judgement(tuple(_verdict(one, gates[one.metric]) for one in measured if one.metric in gates))


@dataclass(frozen=True, slots=True)
class _Measured:
    """The value of one metric, None where it could not be measured; `detail` is for a person, `name` where the gate's own is not true."""

    sample: str
    metric: str
    value: float | None
    detail: str = ""
    name: str | None = None


def _verdict(one: _Measured, gate: Gate) -> Verdict:
    name = one.name or gate.name
    if one.value is None:
        return Verdict(one.sample, one.metric, name, None, UNKNOWN)
    for verdict, below, above in ((STOP, gate.stop_below, gate.stop_above), (WARN, gate.warn_below, gate.warn_above)):
        limit = below if below is not None and one.value < below else above if above is not None and one.value > above else None
        if limit is not None:
            return Verdict(one.sample, one.metric, name, one.value, verdict, limit, gate.reason, one.detail)
    return Verdict(one.sample, one.metric, name, one.value, PASS)


def _metrics(file: Path) -> Iterator[_Measured]:
    try:
        document = json.loads(file.read_text())
        metrics = {"reads": _of_reads, "alignments": _of_alignments, "family": _of_family, "calls": _of_calls}[document["measures"]]
        yield from metrics(document)
    except (KeyError, TypeError, ValueError, OSError) as error:
        wanted = "measures that `genopipe ingest` wrote"
        raise BadInput("no measures in it", wanted=wanted, do="Measure again.", path=file) from error


def _of_reads(document: dict[str, Any]) -> Iterator[_Measured]:
    sample, mates = document["sample"], document["mates"]
    adapter = [share["fraction"] for mate in mates for share in mate["adapter"].values()]
    overlap = [document["overlap"]["read_through_fraction"]] if document["paired"] else []
    yield _Measured(sample, "q30_fraction", document["q30_fraction"])
    yield _Measured(sample, "unknown_fraction", document["unknown_fraction"])
    yield _Measured(sample, "adapter_fraction", max([*adapter, *overlap]))
    yield _Measured(sample, "poly_g_fraction", max(mate["poly_g"]["fraction"] for mate in mates))


def _of_alignments(document: dict[str, Any]) -> Iterator[_Measured]:
    sample, coverage, sex = document["sample"], document["coverage"], document["sex"]
    yield _Measured(sample, "mapped_fraction", document["reads"]["mapped_fraction"])
    yield _Measured(sample, "duplicate_fraction", document["reads"]["duplicate_fraction"])
    named = OF_TARGETS if "targets" in document else DEFAULTS
    yield _Measured(sample, "mean_coverage", coverage["mean"], name=named["mean_coverage"].name)
    yield _Measured(sample, "fraction_10x", coverage["fraction_10x"], name=named["fraction_10x"].name)
    yield _Measured(sample, "contamination", document["contamination"]["fraction"] if document["contamination"] else None)
    found = f"found {sex['found']}, said {sex['said']}"
    yield _Measured(sample, "sex_conflicts", None if sex["agrees"] is None else int(not sex["agrees"]), found)
    yield _Measured(sample, "sex_unclear", None if sex["found"] is None else int(sex["found"] == "unclear"))


def _of_family(document: dict[str, Any]) -> Iterator[_Measured]:
    told = any(pair["agrees"] is not None for pair in document["pairs"])
    pairs = [pair for pair in document["pairs"] if pair["agrees"] is False]
    conflicts = (
        f"{pair['first']} and {pair['second']}: found {FOUND.get(kind := pair['found'], kind)}, said {pair['said']}" for pair in pairs
    )
    yield _Measured("family", "family_conflicts", document["conflicts"] if told else None, "; ".join(conflicts))


def _of_calls(document: dict[str, Any]) -> Iterator[_Measured]:
    for sample, counts in document["samples"].items():
        few = counts["snvs"] < LEAST_SNVS
        yield _Measured(sample, "titv", None if few else counts["titv"])
        yield _Measured(sample, "het_hom", None if few else counts["het_hom"])


FOUND = {"other": "another relation", "same": "the same person, or identical twins"}
"""How what genotypes tell of a pair is said where its own name is not plain."""

LEAST_SNVS = 200
"""SNVs of a sample below which their ratios say nothing."""
