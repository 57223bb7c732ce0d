"""Phenotype scores equal the definitions, stay between 0 and 1, and do better than plain Resnik on published cases."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from genopipe.errors import BadInput
from genopipe.interpret.evidence_tables import COLUMNS
from genopipe.interpret.ontology import Annotations, Ontology, build_annotations, build_ontology, load_phenotypes
from genopipe.interpret.phenotype import CHANCE_OF_PERFECT, CHANCE_WEIGHT, EXCLUDED_WEIGHT, PhenotypeScorer
from tests.interpret.conftest import Setting
from tests.oracles.phenotype import Similarity, ancestors


def drawn(seed: int) -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """A random ontology without circles, its terms in random order, and random annotations."""
    draw = random.Random(seed)
    names = [f"HP:{i:07d}" for i in range(40)]
    parents = {name: draw.sample(names[:i], min(i, draw.choice([1, 1, 2]))) for i, name in enumerate(names)}
    order = draw.sample(names, len(names))
    shown = {f"G{i}": set(draw.sample(names, draw.randrange(1, 8))) for i in range(12)}
    return {name: parents[name] for name in order}, shown


def built(parents: dict[str, list[str]], shown: dict[str, set[str]]) -> tuple[Ontology, Annotations]:
    terms = [
        {"id": name, "name": name, "parents": above, "alternative": [], "obsolete": False, "replaced_by": None}
        for name, above in parents.items()
    ]
    schema = pa.schema(COLUMNS["hpo"])
    ontology = build_ontology(pa.Table.from_pylist(terms, schema=schema))
    rows = [{"gene": gene, "disease": "", "disease_name": "", "term": term} for gene, terms in shown.items() for term in terms]
    return ontology, build_annotations(ontology, pa.Table.from_pylist(rows))


@pytest.mark.parametrize("seed", range(6))
def test_scores_equal_the_definitions(seed: int) -> None:
    parents, shown = drawn(seed)
    ontology, annotations = built(parents, shown)
    oracle, scorer = Similarity(parents, shown), PhenotypeScorer(ontology, annotations)
    draw = random.Random(seed + 100)
    annotated = [term for gene in shown for term in shown[gene]]
    chance = {gene: sum(oracle.phenodigm(term, gene) ** 2 for term in annotated) / len(annotated) for gene in shown}
    for _ in range(5):
        observed, excluded = draw.sample(sorted(parents), 3), draw.sample(sorted(parents), 2)
        numbers, without = ([ontology.number[term] for term in terms] for terms in (observed, excluded))
        best = sum(oracle.best(term) for term in observed)
        resnik = [sum(oracle.resnik(t, gene) for t in observed) / best if best else 0 for gene in annotations.genes]
        assert np.allclose(scorer.score(numbers, method="resnik"), np.minimum(resnik, 1))
        weight = sum(oracle.information[t] for t in excluded)
        for gene, score in zip(annotations.genes, scorer.score(numbers, without), strict=True):
            shared = {t: oracle.phenodigm(t, gene) ** 2 for t in observed if oracle.best(t)}
            gain = sum(x - CHANCE_WEIGHT * chance[gene] * (1 + CHANCE_OF_PERFECT - x / oracle.best(t)) for t, x in shared.items())
            beyond = (max(gain / best + 0.5, 0) / 1.5) ** 2 if best else 0
            contradicted = sum(oracle.information[t] for t in excluded if t in oracle.all_shown[gene]) / weight if weight else 0
            assert score == pytest.approx(beyond * (1 - EXCLUDED_WEIGHT * contradicted))
            assert 0 <= score <= 1


def test_ancestors_equal_the_walk_upwards() -> None:
    parents, shown = drawn(9)
    ontology, _ = built(parents, shown)
    for name in parents:
        assert {ontology.ids[above] for above in ontology.ancestors(ontology.number[name])} == ancestors(name, parents)


def test_the_terms_that_fit_are_told(setting: Setting) -> None:
    ontology, annotations = load_phenotypes(setting.evidence)
    scorer = PhenotypeScorer(ontology, annotations)
    seizure, delay = ontology.resolve("HP:0001250"), ontology.resolve("HP:0001263")
    matches = {match.observed: match for match in scorer.matches("GENA", [seizure, delay])}
    assert matches["HP:0001250"].found == "HP:0001250"
    assert matches["HP:0001263"].shared == "HP:0000707"
    assert scorer.matches("NOBODY", [seizure]) == ()


def test_order_and_repetition_of_terms_do_not_matter(setting: Setting) -> None:
    ontology, annotations = load_phenotypes(setting.evidence)
    scorer = PhenotypeScorer(ontology, annotations)
    a, b = ontology.resolve("HP:0001250"), ontology.resolve("HP:0008066")
    assert (scorer.score([a, b]) == scorer.score([b, a, a])).all()


def test_a_name_in_place_of_an_id_is_answered_with_near_terms(setting: Setting) -> None:
    ontology, _ = load_phenotypes(setting.evidence)
    with pytest.raises(BadInput, match=r"HP:0001250 \(Seizure\)"):
        ontology.resolve("Seizures")


def test_an_ontology_in_a_circle_is_named() -> None:
    with pytest.raises(BadInput, match="in a circle at B"):
        built({"A": [], "B": ["C"], "C": ["B"]}, {"G": {"A"}})
