"""Phenotype similarity straight from the definitions, over plain sets: slow and obvious."""

from __future__ import annotations

from math import log2, sqrt


def ancestors(term: str, parents: dict[str, list[str]]) -> set[str]:
    """The term and everything above it."""
    return {term}.union(*(ancestors(parent, parents) for parent in parents[term]))


class Similarity:
    """Resnik and Phenodigm similarity of a patient with each gene, by `parents` of terms and `shown` terms of genes."""

    def __init__(self, parents: dict[str, list[str]], shown: dict[str, set[str]]) -> None:
        self.parents, self.shown = parents, shown
        self.all_shown = {gene: set().union(*(ancestors(term, parents) for term in terms)) for gene, terms in shown.items()}
        self.information = {}
        for term in parents:
            n = sum(term in terms for terms in self.all_shown.values())
            self.information[term] = -log2(n / len(shown)) if n else 0.0

    def resnik(self, term: str, gene: str) -> float:
        shared = ancestors(term, self.parents) & self.all_shown[gene]
        return max((self.information[t] for t in shared), default=0.0)

    def phenodigm(self, term: str, gene: str) -> float:
        return max((self.pair(term, other) for other in self.shown[gene]), default=0.0)

    def pair(self, a: str, b: str) -> float:
        above_a, above_b = ancestors(a, self.parents), ancestors(b, self.parents)
        shared = above_a & above_b
        best = max((self.information[t] for t in shared), default=0.0)
        return sqrt(len(shared) / len(above_a | above_b) * best)

    def best(self, term: str) -> float:
        return max(self.information[t] for t in ancestors(term, self.parents))
