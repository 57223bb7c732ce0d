"""The Human Phenotype Ontology in arrays: terms by number, what stands above each, and which genes show each.

`load_phenotypes` makes both from an evidence set: `Ontology` resolves what people write (also alternative and obsolete ids) to term
numbers; `Annotations` holds which genes are known to show which terms. The information content of a term is -log2 of the share of
annotated genes that show it or something below it, so it depends on the set's own annotations.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from genopipe.errors import BadInput
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.gene_names import load_gene_names
from genopipe.progress import log

INHERITANCE = {
    "HP:0000006": frozenset({"AD"}),
    "HP:0000007": frozenset({"AR"}),
    "HP:0001417": frozenset({"XR", "XD"}),
    "HP:0001419": frozenset({"XR"}),
    "HP:0001423": frozenset({"XD"}),
    "HP:0001427": frozenset({"MT"}),
    "HP:0001450": frozenset({"YL"}),
    "HP:0032113": frozenset({"AD", "AR"}),
    "HP:0034340": frozenset({"AD"}),
    "HP:0034341": frozenset({"AR"}),
}
"""Terms for the modes of inheritance; semidominant and pseudoautosomal ones at the end."""

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ontology:
    """Terms numbered in the order of the file, obsolete ones left out.

    above        flat int32: the numbers of a term and everything above it, see `above_start`
    above_start  (terms + 1) int64
    renamed      alternative and replaced ids to the id in use
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    number: Mapping[str, int]
    renamed: Mapping[str, str]
    above: Int32
    above_start: Int64

    def ancestors(self, term: int) -> Int32:
        """Numbers of the term itself and all terms above it."""
        return self.above[self.above_start[term] : self.above_start[term + 1]]

    def resolve(self, term: str, *, path: Path | None = None, key: str | None = None) -> int:
        """The number of an HPO id; alternative and replaced ids are followed and logged.

        Raises BadInput with the nearest terms for an unknown id, and for an obsolete one without replacement.
        """
        current = self.renamed.get(term, term)
        if current in self.number:
            if current != term:
                log.info("HPO term %s is taken as %s (%s)", term, current, self.names[self.number[current]])
            return self.number[current]
        raise BadInput(
            f"unknown or obsolete HPO term {term!r}",
            wanted=f"a term of the evidence set, such as {self._nearest(term)}",
            do="Correct the term, or use an evidence set with a newer HPO.",
            path=path,
            key=key,
        )

    def _nearest(self, term: str) -> str:
        """Three terms whose ids or names look most alike."""
        wanted = term.strip()
        if wanted.upper().startswith("HP") or wanted.isdigit():
            digits = "".join(c for c in wanted if c.isdigit())
            guess = f"HP:{digits[-7:]:0>7}"
            near = [guess] if guess in self.number else difflib.get_close_matches(guess, self.ids, 3, 0.8)
        else:
            lower = {name.lower(): index for index, name in enumerate(self.names)}
            near = [self.ids[lower[name]] for name in difflib.get_close_matches(wanted.lower(), lower, 3, 0.5)]
        return ", ".join(f"{found} ({self.names[self.number[found]]})" for found in near or self.ids[:1])


@dataclass(frozen=True, slots=True)
class Annotations:
    """Which genes show which terms.

    own, own_start      the terms each gene is annotated with (gene by gene)
    gene_of, gene_start the genes that show each term or something below it (term by term)
    information         (terms) float64: -log2 of the share of genes; 0 for a term that no gene shows
    diseases            the disease ids known for each gene
    inheritance         the terms for modes of inheritance known for each gene
    """

    genes: tuple[str, ...]
    number: Mapping[str, int]
    own: Int32
    own_start: Int64
    gene_of: Int32
    gene_start: Int64
    information: NDArray[np.float64]
    diseases: Mapping[str, tuple[str, ...]]
    inheritance: Mapping[str, tuple[str, ...]]

    def genes_with(self, term: int) -> Int32:
        """Numbers of the genes that show the term or something below it."""
        return self.gene_of[self.gene_start[term] : self.gene_start[term + 1]]

    def terms_of(self, gene: int) -> Int32:
        """Numbers of the terms a gene is annotated with."""
        return self.own[self.own_start[gene] : self.own_start[gene + 1]]


def load_phenotypes(evidence: EvidenceSet) -> tuple[Ontology, Annotations]:
    """The ontology and the gene annotations of a set. Raises BadInput when it lacks one."""
    ontology = load_ontology(evidence)
    table = pa.concat_tables(pq.read_table(evidence.table(dataset)) for dataset in evidence.of_kind("hpo-annotations"))
    names = load_gene_names(evidence).renamed(table["gene"], table["ncbi_id"])
    return ontology, build_annotations(ontology, _of_genes(table.set_column(table.column_names.index("gene"), "gene", names)))


def _of_genes(table: pa.Table) -> pa.Table:
    """Gene, disease and term of every annotation of a gene; those of a disease belong to all genes that some row names beside it."""
    table = table.select(["gene", "disease", "term"])
    gene, disease, term = (pc.field(name) != "" for name in ("gene", "disease", "term"))
    pairs = table.filter(gene & disease).group_by(["gene", "disease"]).aggregate([])
    of_diseases = table.filter(~gene & disease & term).drop_columns(["gene"]).join(pairs, "disease", join_type="inner")
    return pa.concat_tables([table.filter(gene & term), of_diseases.select(["gene", "disease", "term"])])


def load_ontology(evidence: EvidenceSet) -> Ontology:
    """The ontology of a set. Raises BadInput when the set lacks it, or the annotations that go with it."""
    hpo = evidence.one("hpo")
    if hpo is None or not evidence.of_kind("hpo-annotations"):
        lacking = "hpo" if hpo is None else "hpo-annotations"
        raise BadInput(
            f"the evidence set {evidence.name} has no {lacking}",
            wanted="an ontology and gene annotations",
            do=f"Add data of kind {lacking} and lock a new set.",
            path=evidence.store.root / evidence.name,
        )
    return build_ontology(pq.read_table(evidence.table(hpo)))


def build_ontology(table: pa.Table) -> Ontology:
    """The ontology of a Parquet table of kind hpo."""
    column = table.to_pydict()
    kept = [i for i, obsolete in enumerate(column["obsolete"]) if not obsolete]
    ids = tuple(column["id"][i] for i in kept)
    number = {term: i for i, term in enumerate(ids)}
    parents = [[number[parent] for parent in column["parents"][i] if parent in number] for i in kept]
    renamed = {other: ids[row] for row, i in enumerate(kept) for other in column["alternative"][i]}
    for old, new in zip(column["id"], column["replaced_by"], strict=True):
        if new is not None and old not in number:
            renamed[old] = new
    above = _closed(parents, ids)
    start = np.concatenate(([0], np.cumsum([len(group) for group in above]))).astype(np.int64)
    flat = np.fromiter((term for group in above for term in group), np.int32, int(start[-1]))
    return Ontology(ids, tuple(column["name"][i] for i in kept), number, renamed, flat, start)


def _closed(parents: list[list[int]], ids: tuple[str, ...]) -> list[list[int]]:
    """For each term itself and all above it, sorted; a parent may stand anywhere in the file. Raises BadInput for a circle."""
    children: list[list[int]] = [[] for _ in parents]
    waiting = [len(set(above)) for above in parents]
    for term, above in enumerate(parents):
        for parent in set(above):
            children[parent].append(term)
    known: list[set[int]] = [set() for _ in parents]
    ready = [term for term, n in enumerate(waiting) if n == 0]
    for term in ready:
        known[term] = {term}.union(*(known[parent] for parent in parents[term]))
        for child in children[term]:
            waiting[child] -= 1
            if waiting[child] == 0:
                ready.append(child)
    if len(ready) < len(parents):
        stuck = next(ids[term] for term, n in enumerate(waiting) if n)
        raise BadInput(f"the ontology goes in a circle at {stuck}", wanted="terms that only descend", do="Download the ontology again.")
    return [sorted(group) for group in known]


def build_annotations(ontology: Ontology, table: pa.Table) -> Annotations:
    """Gene annotations of Parquet tables of kind hpo-annotations."""
    table = table.filter(pc.field("gene") != "")
    symbols, terms, diseases = (list(map(str, table[name].to_pylist())) for name in ("gene", "term", "disease"))
    genes = tuple(sorted(set(symbols)))
    gene_number = {gene: i for i, gene in enumerate(genes)}
    gene = _numbers(table["gene"], gene_number.__getitem__)
    term = _numbers(table["term"], lambda text: ontology.number.get(ontology.renamed.get(text, text), -1))
    gene, term = _unique_pairs(gene[term >= 0], term[term >= 0], len(ontology.ids))
    own_start = np.searchsorted(gene, np.arange(len(genes) + 1))
    lengths = np.diff(ontology.above_start)[term]
    spread_gene = np.repeat(gene, lengths)
    spread_term = ontology.above[_ranges(ontology.above_start[term], lengths)].astype(np.int64)
    spread_term, spread_gene = _unique_pairs(spread_term, spread_gene, len(genes))
    gene_start = np.searchsorted(spread_term, np.arange(len(ontology.ids) + 1))
    count = np.diff(gene_start)
    information = np.where(count > 0, -np.log2(np.maximum(count, 1) / max(len(genes), 1)), 0.0)
    return Annotations(
        genes,
        gene_number,
        term.astype(np.int32),
        own_start.astype(np.int64),
        spread_gene.astype(np.int32),
        gene_start.astype(np.int64),
        information,
        _grouped(symbols, diseases),
        _grouped(symbols, [term if term in INHERITANCE else "" for term in terms]),
    )


def _numbers(column: Any, number_of: Callable[[str], int]) -> Int64:
    """The number of each text, asked once for each spelling."""
    words = column.combine_chunks().dictionary_encode()
    numbers = np.array([number_of(word) for word in words.dictionary.to_pylist()] or [-1], np.int64)
    return numbers[words.indices.to_numpy()]


def _unique_pairs(first: Int64, second: Int64, n_second: int) -> tuple[Int64, Int64]:
    key = np.sort(first * n_second + second)  # np.unique takes far longer for so many
    key = key[np.concatenate((np.ones(min(len(key), 1), bool), key[1:] != key[:-1]))]
    return key // max(n_second, 1), key % max(n_second, 1)


def _ranges(start: Int64, length: Int64) -> Int64:
    """All of start[i], start[i] + 1, ... start[i] + length[i] - 1, one after the other."""
    offset = np.repeat(np.cumsum(length) - length, length)
    return np.arange(int(length.sum()), dtype=np.int64) - offset + np.repeat(start, length)


def _grouped(genes: Iterable[str], values: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The values of each gene, sorted; empty ones left out."""
    found: dict[str, set[str]] = {}
    for gene, value in zip(genes, values, strict=True):
        if value:
            found.setdefault(gene, set()).add(value)
    return {gene: tuple(sorted(of_gene)) for gene, of_gene in found.items()}
