"""Which archived cases a change of evidence concerns: the reverse index from variants, genes and terms to cases.

Cost follows the change. Changed records of variants are joined with what the archived genomes carry, changed genes with what the cases
ranked; no genome is opened here. A case is concerned when its proband carries a variant whose record changed in a way that ranking sees,
when a gene that is, or nearly was, a candidate of the case changed, or when its phenotype fits a gene so differently that the gene becomes
a candidate or ceases to be one. Variants that are frequent in the population count only where they are, or were, known as pathogenic. What
only shifts a little for everybody, such as how informative a term is, concerns nobody.

| kind of evidence | concerns |
|---|---|
| clinvar | carriers of variants that became, or are no longer, pathogenic, or benign; cases in which the gene is nearly a candidate |
| frequency | carriers of variants that passed one of the limits that ranking knows |
| other scores of variants | carriers |
| genes, coding-exons | carriers of rare variants in transcripts that changed; cases ranked with structural variants |
| hpo, hpo-annotations | cases with another fit of the phenotype |
| panel, gene-list | cases limited to those that changed; cases in which a gene of them is nearly a candidate |
| pgx-definitions | nobody: nothing is ranked by them |
| every other table | cases in which a gene that changed is nearly a candidate |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from genopipe.cases.case_record import subject_of
from genopipe.cases.changes import LEAST_STEP
from genopipe.interpret.annotate import ESTABLISHED
from genopipe.interpret.criteria import CHANCE, FITTING_PHENOTYPE, LIMITS, MOST_HOMOZYGOTES_DOMINANT
from genopipe.interpret.evidence import GENE_MODELS, SCORE_KINDS, VARIANT_KINDS, EvidenceSet
from genopipe.interpret.evidence_diff import changed_records
from genopipe.interpret.findings import CANDIDATE, CERTAIN_CANDIDATE, GRAVE_CANDIDATE, candidate_if_grave
from genopipe.interpret.gene_names import load_gene_names
from genopipe.interpret.inheritance import LIMIT
from genopipe.interpret.normalise import contig_key
from genopipe.interpret.onset import age_of, too_late
from genopipe.interpret.ontology import INHERITANCE, Ontology
from genopipe.interpret.panels import read_gene_lists, read_panels
from genopipe.interpret.phenotype import load_scorer
from genopipe.interpret.ranking import LEAST_PHENOTYPE, MOST_FREQUENT

PANEL_KINDS = ("panel", "gene-list")
UNRANKED_KINDS = ("pgx-definitions",)
PHENOTYPE_KINDS = ("hpo", "hpo-annotations")
LEAST_FIT = 0.01
"""The logistic scores of Exomiser rise up to 2.6 times as fast as the fit."""
Record = Mapping[str, Any]
Affected = dict[str, set[str]]
"""By case, what concerns it: variants as CHROM-POS-REF-ALT, genes by symbol, `phenotype`."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one evidence set to another."""

    old: EvidenceSet
    new: EvidenceSet

    def kinds(self) -> set[str]:
        """The kinds of the data sets that differ."""
        old, new = ({(dataset.name, dataset.digest): dataset.kind for dataset in evidence.datasets} for evidence in (self.old, self.new))
        return {(old | new)[key] for key in old.keys() ^ new.keys()}


def affected_cases(connection: duckdb.DuckDBPyConnection, step: Step, cases: Sequence[str]) -> Affected:
    """Those of `cases` that the step concerns. `connection` is the archive's database."""
    found: Affected = {}
    connection.execute("CREATE OR REPLACE TEMP TABLE wanted AS SELECT unnest(?) AS case_id", [list(cases)])
    for kind in sorted(step.kinds()):
        for case, what in _of_kind(connection, step, kind, cases):
            found.setdefault(case, set()).add(what)
    return found


def _of_kind(connection: duckdb.DuckDBPyConnection, step: Step, kind: str, cases: Sequence[str]) -> Iterator[tuple[str, str]]:
    if kind in (*VARIANT_KINDS, *SCORE_KINDS):
        _compare_variants(connection, step, kind)
        yield from _carriers(connection, step)
        if kind == "clinvar":
            yield from _nearly(connection, _genes_judged_by(step))
    elif kind in GENE_MODELS:
        yield from _carriers_in(connection, step, kind)
        yield from connection.execute(_WITH_STRUCTURAL).fetchall()
    elif kind in PHENOTYPE_KINDS:
        yield from _other_fit(connection, step, cases)
    elif kind in PANEL_KINDS:
        yield from connection.execute(_LIMITED, [sorted(_changed_panels(step))]).fetchall()
        yield from _nearly(connection, _changed_genes(step, kind))
    elif kind not in UNRANKED_KINDS:
        yield from _nearly(connection, _changed_genes(step, kind))


def _compare_variants(connection: duckdb.DuckDBPyConnection, step: Step, kind: str) -> None:
    """Makes `changed` of the carried variants whose records changed in a way that ranking sees; `anyhow` for those that count however
    frequent they are."""
    for name, evidence in (("before", step.old), ("after", step.new)):
        tables = [str(evidence.table(dataset)) for dataset in evidence.of_kind(kind)]
        source, values = (_KNOWN, [tables]) if tables else (_NOTHING_KNOWN, [])
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {source}", values)
    sees = _SEEN.get(kind, _all_seen)
    places: list[dict[str, Any]] = []
    for *place, old, new in connection.execute(_CHANGED).fetchall():
        before, after = (sees([json.loads(record) for record in records or ()]) for records in (old, new))
        if before != after:
            anyhow = kind == "frequency" or any(isinstance(word, str) and word.endswith("pathogenic") for word in (before, after))
            places.append(dict(zip(_PLACE_TYPES, place, strict=True)) | {"anyhow": anyhow})
    connection.register("compared", pa.Table.from_pylist(places, schema=_PLACE))
    connection.execute("CREATE OR REPLACE TEMP TABLE changed AS SELECT * FROM compared")
    connection.unregister("compared")


_KNOWN = """
SELECT contig, position, ref, alt, list(to_json(t)::VARCHAR ORDER BY to_json(t)::VARCHAR) AS records
    FROM read_parquet(?, union_by_name = true) t SEMI JOIN sites USING (contig, position, ref, alt) GROUP BY contig, position, ref, alt
"""
_NOTHING_KNOWN = "SELECT contig, position, ref, alt, []::VARCHAR[] AS records FROM sites WHERE false"
_CHANGED = """
SELECT contig, position, ref, alt, o.records, n.records FROM before o FULL JOIN after n USING (contig, position, ref, alt)
    WHERE o.records IS DISTINCT FROM n.records
"""


def _genes_judged_by(step: Step) -> set[str]:
    """The genes in which ClinVar's word on some variant changed, by which criteria judge the others."""
    genes: set[str] = set()
    for *_, before, after in changed_records(step.old, step.new, "clinvar"):
        if _starred(before) != _starred(after):
            genes |= {str(record["gene"]) for record in (before, after) if record}
    names = load_gene_names(step.new)
    return genes | {names.current(gene) for gene in genes}


_PLACE_TYPES: dict[str, pa.DataType] = {"contig": pa.string(), "position": pa.int32(), "ref": pa.string(), "alt": pa.string()}
_PLACE = pa.schema(_PLACE_TYPES | {"anyhow": pa.bool_()})
_SPAN_TYPES: dict[str, pa.DataType] = {"contig": pa.string(), "start": pa.int32(), "finish": pa.int32()}


def _all_seen(records: list[Record]) -> Any:
    return records


def _starred(record: Record | None) -> str | None:
    """What the criteria see of a variant beside another: its class, where it has a star, and whether several submitters say pathogenic."""
    if not record or not record["stars"]:
        return None
    established = record["significance"] == "pathogenic" and record["stars"] >= ESTABLISHED
    return "established pathogenic" if established else str(record["significance"])


def _verdict(records: list[Record]) -> str | None:
    """What ranking sees of the variant itself: pathogenic, by several or not, benign, or nothing, by the record with most stars."""
    best = max(records, key=lambda record: record["stars"], default=None)
    return next((word for word in ("established pathogenic", "pathogenic", "benign") if (_starred(best) or "").endswith(word)), None)


def _rarity(records: list[Record]) -> tuple[int, int]:
    """How many of the limits a frequency is above, and of homozygotes; above the largest all are the same."""
    limits = sorted({MOST_FREQUENT, *LIMIT.values(), *LIMITS})
    above = max((int(np.searchsorted(limits, record["af_max"])) for record in records), default=0)
    homozygotes = max((record["homozygotes"] or 0 for record in records), default=0)
    return above, min(homozygotes, MOST_HOMOZYGOTES_DOMINANT + 1) if above < len(limits) else 0


_SEEN: dict[str, Callable[[list[Record]], Any]] = {"clinvar": _verdict, "frequency": _rarity}


def _carriers(connection: duckdb.DuckDBPyConnection, step: Step) -> Iterator[tuple[str, str]]:
    """Carriers of the variants in `changed`, those that are frequent in the new set only where they count anyhow."""
    connection.execute("CREATE OR REPLACE TEMP TABLE frequent AS SELECT contig, position, ref, alt FROM changed WHERE false")
    for dataset in step.new.of_kind("frequency"):
        connection.execute(_FREQUENT, [str(step.new.table(dataset))])
    yield from connection.execute(_CARRIERS).fetchall()


_FREQUENT = f"""
INSERT INTO frequent SELECT f.contig, f.position, f.ref, f.alt FROM read_parquet(?) f SEMI JOIN changed USING (contig, position, ref, alt)
WHERE f.af_max > {MOST_FREQUENT}
"""
_NAME = "concat(contig, '-', position + 1, '-', ref, '-', alt)"
_PROBANDS = "SELECT DISTINCT case_id, sample FROM cases WHERE case_id IN (SELECT case_id FROM wanted)"
_CARRIERS = f"""
WITH counting AS (SELECT * FROM changed WHERE anyhow UNION ALL SELECT * FROM changed ANTI JOIN frequent USING (contig, position, ref, alt)),
    carried AS (SELECT v.* FROM variants v SEMI JOIN counting USING (contig, position, ref, alt))
SELECT DISTINCT p.case_id, {_NAME} FROM carried JOIN ({_PROBANDS}) p USING (sample) ORDER BY ALL
"""
_LIMITED = """
SELECT DISTINCT case_id, panel FROM (SELECT case_id, unnest(json_extract_string(ranked, '$.panels[*]')) AS panel FROM cases)
    WHERE case_id IN (SELECT case_id FROM wanted) AND lower(panel) IN (SELECT unnest(?)) ORDER BY ALL
"""
_WITH_STRUCTURAL = """
SELECT case_id, 'structural variants' FROM cases
    WHERE case_id IN (SELECT case_id FROM wanted) AND json_extract_string(ranked, '$.inputs.structural') IS NOT NULL ORDER BY ALL
"""
_NEARLY = f"""
SELECT DISTINCT case_id, gene FROM findings WHERE case_id IN (SELECT case_id FROM wanted) AND gene IN (SELECT unnest(?))
    AND (candidate OR (phenotype_score >= {FITTING_PHENOTYPE} AND variant_score >= {GRAVE_CANDIDATE})
        OR (phenotype_score > {CHANCE} AND variant_score >= {CERTAIN_CANDIDATE})) ORDER BY ALL
"""
_INSIDE = """
SELECT DISTINCT s.contig, s.position, s.ref, s.alt, false AS anyhow FROM sites s
    JOIN spans t ON s.contig = t.contig AND s.position < t.finish AND s.position + length(s.ref) > t.start
"""


def _nearly(connection: duckdb.DuckDBPyConnection, genes: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Cases in which one of the genes is a candidate, or lacks nothing but a class."""
    yield from connection.execute(_NEARLY, [sorted(genes)]).fetchall()


def _carriers_in(connection: duckdb.DuckDBPyConnection, step: Step, kind: str) -> Iterator[tuple[str, str]]:
    """Carriers of variants in the exons of transcripts that changed, those left out that are frequent in the new set."""
    spans = [
        {"contig": contig_key(row["contig"]), "start": start - 8, "finish": end + 8}
        for row in _changed_rows(step, kind)
        for start, end in zip(row["exon_start"], row["exon_end"], strict=True)
    ]
    connection.register("spans", pa.Table.from_pylist(spans, schema=pa.schema(_SPAN_TYPES)))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE changed AS {_INSIDE}")
    connection.unregister("spans")
    yield from _carriers(connection, step)


def _changed_rows(step: Step, kind: str) -> list[dict[str, Any]]:
    """The rows of tables of a kind that stand in one set only."""
    rows: list[dict[str, dict[str, Any]]] = []
    for evidence in (step.old, step.new):
        tables = [pq.read_table(evidence.table(dataset)) for dataset in evidence.of_kind(kind)]
        rows.append({repr(row): row for table in tables for row in table.to_pylist()})
    return [rows[0].get(key) or rows[1][key] for key in sorted(rows[0].keys() ^ rows[1].keys())]


def _changed_panels(step: Step) -> set[str]:
    """The panels and gene lists, in lower case, that are not the same in both sets."""
    held: list[set[tuple[str, Hashable]]] = []
    for evidence in (step.old, step.new):
        panels = {(panel.name.lower(), frozenset(panel.genes.items())) for panel in read_panels(evidence)}
        held.append(panels | {(name.lower(), genes) for name, genes in read_gene_lists(evidence).items()})
    return {name for name, _ in held[0] ^ held[1]}


def _changed_genes(step: Step, kind: str) -> set[str]:
    names = load_gene_names(step.new)
    genes = {str(row["gene"]) for row in _changed_rows(step, kind) if row.get("gene")}
    return genes | {names.current(gene) for gene in genes}


def _other_fit(connection: duckdb.DuckDBPyConnection, step: Step, cases: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Cases in which, by the variants of then, a gene becomes a candidate, ceases to be one, or its score changes by a step."""
    scorer = load_scorer(step.new)
    ontology, annotations = scorer.ontology, scorer.annotations
    other_mode = _genes_of_other_mode(step)
    for case in cases:
        [(score, by_onset, record)] = connection.execute(_RANKED_WITH, [case]).fetchall()
        doubled = other_mode | _otherwise_late(step, json.loads(record)) if by_onset else other_mode
        observed, excluded = (
            [number for (term,) in connection.execute(_TERMS, [case, absent]).fetchall() if (number := _number(ontology, term)) is not None]
            for absent in (False, True)
        )
        method = "genopipe" if score == "genopipe" else "phenodigm"
        fit = dict(zip(annotations.genes, map(float, scorer.score(observed, excluded, method=method)), strict=True))
        for gene, before, variant in connection.execute(_RANKED, [case]).fetchall():
            after = fit.get(gene, 0.0)
            steep = score != "genopipe" and abs(after - before) >= LEAST_FIT
            if steep or _moves(after, before, variant, doubled=gene in doubled):
                yield case, "phenotype"
                break


def _number(ontology: Ontology, term: str) -> int | None:
    return ontology.number.get(ontology.renamed.get(term, term))


def _otherwise_late(step: Step, record: Mapping[str, Any]) -> set[str]:
    """The genes that count half by onset with one set only."""
    age = age_of(subject_of(record, step.new.store.root))
    scorers = (load_scorer(evidence) for evidence in (step.old, step.new))
    old, new = (too_late(scorer.ontology, scorer.annotations, age).keys() for scorer in scorers)
    return set(old ^ new)


_RANKED_WITH = "SELECT ranked ->> 'score', (ranked -> 'by_onset')::BOOLEAN, record FROM cases WHERE case_id = ?"
_TERMS = "SELECT term FROM phenotypes WHERE case_id = ? AND excluded = ?"
_RANKED = "SELECT DISTINCT gene, phenotype_score, variant_score FROM findings WHERE case_id = ? AND variant_score IS NOT NULL"


def _moves(fit: float, before: float, variant: float, *, doubled: bool) -> bool:
    """True where a gene's score, or whether it is nearly a candidate, changes with the fit; another mode or onset may double its score."""
    now = min(2 * variant, 1.0) if doubled else variant
    scores = [variant * max(before, LEAST_PHENOTYPE), now * max(fit, LEAST_PHENOTYPE)]
    near = [
        score >= CANDIDATE or candidate_if_grave(phenotype, weight)
        for score, phenotype, weight in zip(scores, (before, fit), (variant, now), strict=True)
    ]
    return near[0] != near[1] or (any(near) and (doubled or abs(scores[1] - scores[0]) >= LEAST_STEP))


def _genes_of_other_mode(step: Step) -> set[str]:
    rows = _changed_rows(step, "hpo-annotations")
    return {str(row["gene"]) for row in rows if row["gene"] and row["term"] in INHERITANCE}
