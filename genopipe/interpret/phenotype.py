"""How well a patient's phenotype fits each gene.

Every observed term looks for the most informative thing it shares with the terms of a gene; their mean is set against the best any gene
could reach, so that a score is between 0 (nothing shared) and 1 (every term shown exactly). Genes without annotations score 0.

What a term shares with a gene:
resnik     information content of the most informative common ancestor (Resnik, IJCAI 1995)
phenodigm  sqrt(Jaccard index of the ancestors * information content of that ancestor) (Smedley et al., Database 2013)
genopipe   the square of phenodigm, so that few close matches count more than many faint ones; and what does not match counts
           against a gene, `CHANCE_WEIGHT` times what the gene shares with any term by chance: of a gene known for very many
           features some fit anybody. A mean from -1/2 to 1 is told as the square of its place between the two, so that 1/9 is no
           better than chance.

Terms that the patient was found not to have take a bounded part of the score from genes that show them. It is small on purpose: what is
looked for and not found in a patient is mostly what others with the same disease have (measured in benchmarks/interpret.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.ontology import Annotations, Ontology, load_phenotypes

EXCLUDED_WEIGHT = 0.0001
"""The largest part of a score that excluded terms can take away: they decide between genes that fit alike."""
CHANCE_WEIGHT = 3.0
CHANCE_OF_PERFECT = 0.03
"""What counts against a gene even where it matches perfectly, so that of two perfect ones the narrower stands first."""
CHANCE_TERMS = 800
"""From so many annotations, evenly spread from the vaguest to the most informative, is told what a gene shares by chance; with 200 the
share of cases solved still moves by a hundredth with the draw, from 800 on by a few thousandths."""
LAST_TERMS = 64
"""Terms whose similarity with all others is kept: the patient's are compared with one gene after the other."""
METHODS = ("genopipe", "phenodigm", "resnik")

Float64 = NDArray[np.float64]


@lru_cache(maxsize=2)
def load_scorer(evidence: EvidenceSet) -> PhenotypeScorer:
    """The scorer of a set, kept for the cases that come after. Raises BadInput when the set lacks ontology or annotations."""
    return PhenotypeScorer(*load_phenotypes(evidence))


@dataclass(frozen=True, slots=True)
class Match:
    """One observed term of the patient and the term of the gene it fits best; `shared` is their most informative common ancestor."""

    observed: str
    found: str
    shared: str
    information: float


class PhenotypeScorer:
    """Scores all genes of a set of annotations for one patient after the other."""

    def __init__(self, ontology: Ontology, annotations: Annotations) -> None:
        self.ontology, self.annotations = ontology, annotations
        self._n_above = np.diff(ontology.above_start)
        below = np.argsort(ontology.above, kind="stable")
        self._below = np.repeat(np.arange(len(ontology.ids)), self._n_above)[below]
        self._below_start = np.searchsorted(ontology.above[below], np.arange(len(ontology.ids) + 1))
        self._annotated = np.flatnonzero(np.diff(annotations.own_start) > 0)
        self._similarity = lru_cache(maxsize=LAST_TERMS)(self._similarity_of)

    def score(self, observed: Sequence[int], excluded: Sequence[int] = (), *, method: str = "genopipe") -> Float64:
        """(genes) float64 from 0 to 1. All 0 when no term carries information."""
        terms = sorted(set(observed))
        base = self._beyond_chance(terms) if method == "genopipe" else self._mean(terms, method)
        score: Float64 = base * (1 - EXCLUDED_WEIGHT * self._contradicted(excluded))
        return score

    def _mean(self, observed: Sequence[int], method: str) -> Float64:
        total = np.zeros(len(self.annotations.genes))
        best = 0.0
        for term in observed:
            information = self._information(term)
            if method == "resnik":
                total, best = total + self.resnik(term), best + information
            else:
                total, best = total + self.phenodigm(term), best + float(np.sqrt(information))
        return np.minimum(total / best, 1.0) if best > 0 else total

    def _beyond_chance(self, observed: Sequence[int]) -> Float64:
        total = np.zeros(len(self.annotations.genes))
        best = 0.0
        for term in observed:
            information = self._information(term)
            if information > 0:
                shared = self.phenodigm(term) ** 2
                total += shared - CHANCE_WEIGHT * self.by_chance * (1 + CHANCE_OF_PERFECT - shared / information)
                best += information
        return (np.clip(total / best + 0.5, 0.0, 1.5) / 1.5) ** 2 if best > 0 else total

    @cached_property
    def by_chance(self) -> Float64:
        """(genes) the mean squared Phenodigm similarity of each gene with the terms that genes are annotated with."""
        own = self.annotations.own[np.argsort(self.annotations.information[self.annotations.own], kind="stable")]
        drawn = own[np.linspace(0, len(own) - 1, min(CHANCE_TERMS, len(own))).round().astype(int)]
        return sum((self.phenodigm(int(term)) ** 2 for term in drawn), np.zeros(len(self.annotations.genes))) / max(len(drawn), 1)

    def _information(self, term: int) -> float:
        """What the term itself carries; for a term that no gene shows, what the most informative term above it carries."""
        return float(self.annotations.information[self.ontology.ancestors(term)].max())

    def resnik(self, term: int) -> Float64:
        """(genes) information content of the most informative ancestor of `term` that each gene shows."""
        score = np.zeros(len(self.annotations.genes))
        for ancestor in self._by_information(term):
            score[self.annotations.genes_with(ancestor)] = self.annotations.information[ancestor]
        return score

    def phenodigm(self, term: int) -> Float64:
        """(genes) the best Phenodigm similarity of `term` with a term of each gene."""
        score = np.zeros(len(self.annotations.genes))
        if len(self._annotated):
            of_terms = self._similarity(term)[self.annotations.own]
            score[self._annotated] = np.maximum.reduceat(of_terms, self.annotations.own_start[self._annotated])
        return score

    def _similarity_of(self, term: int) -> Float64:
        """(terms) Phenodigm similarity of `term` with every term."""
        shared = np.zeros(len(self.ontology.ids))
        information = np.zeros(len(self.ontology.ids))
        ancestors = self._by_information(term)
        for ancestor in ancestors:
            below = self._below[self._below_start[ancestor] : self._below_start[ancestor + 1]]
            shared[below] += 1
            information[below] = self.annotations.information[ancestor]
        together = len(ancestors) + self._n_above - shared
        similarity: Float64 = np.sqrt(shared / together * information)
        return similarity

    def _by_information(self, term: int) -> list[int]:
        """The term and all above it, the most informative last."""
        ancestors = self.ontology.ancestors(term)
        order = np.lexsort((ancestors, self.annotations.information[ancestors]))
        return [int(ancestor) for ancestor in ancestors[order]]

    def _contradicted(self, excluded: Sequence[int]) -> Float64:
        """(genes) the share, by information content, of the excluded terms that each gene shows."""
        terms = sorted(set(excluded))
        weight = self.annotations.information[terms]
        shown = np.zeros(len(self.annotations.genes))
        for term, information in zip(terms, weight, strict=True):
            shown[self.annotations.genes_with(term)] += information
        return shown / weight.sum() if weight.sum() > 0 else shown

    def matches(self, gene: str, observed: Sequence[int]) -> tuple[Match, ...]:
        """For every observed term the gene's best fitting one, the most telling first; nothing for a gene without annotations."""
        number = self.annotations.number.get(gene)
        own = self.annotations.terms_of(number) if number is not None else np.empty(0, np.int32)
        if not len(own):
            return ()
        found = [self._match(term, own) for term in sorted(set(observed))]
        return tuple(sorted(found, key=lambda match: (-match.information, match.observed)))

    def shown(self, gene: str, terms: Sequence[int]) -> tuple[str, ...]:
        """Those of the terms that the gene is known for, by themselves or by something below them."""
        number = self.annotations.number.get(gene, -1)
        return tuple(self.ontology.ids[term] for term in sorted(set(terms)) if number in self.annotations.genes_with(term))

    def _match(self, term: int, own: NDArray[np.int32]) -> Match:
        best = int(own[np.argmax(self._similarity(term)[own])])
        common = np.intersect1d(self.ontology.ancestors(term), self.ontology.ancestors(best))
        information = self.annotations.information
        shared = int(common[np.argmax(information[common])]) if len(common) else best
        ids = self.ontology.ids
        return Match(ids[term], ids[best], ids[shared], float(information[shared]) if len(common) else 0.0)
