"""Age of onset: a gene whose diseases are only known to begin much later than the patient fell ill is less likely the cause.

The earliest onset that HPO annotates to a gene counts; genes without one are left alone. The patient has to be younger than half of it, as
first signs come earlier than diagnoses. The score is then halved, never more: annotations are incomplete.
"""

from __future__ import annotations

import re

import numpy as np

from genopipe.errors import BadInput
from genopipe.interpret.ontology import Annotations, Ontology
from genopipe.interpret.subject import Subject

FACTOR = 0.5
EARLIER = 0.5
"""Share of the earliest known age of onset below which a patient is too young."""
_YEAR = 365.25
_BEGINS = {
    "HP:0011463": _YEAR,
    "HP:0003621": 5 * _YEAR,
    "HP:0003581": 16 * _YEAR,
    "HP:0003596": 40 * _YEAR,
    "HP:0003584": 60 * _YEAR,
}
"""Childhood, juvenile, adult, middle age and late onset, in days after birth; by HPO. Earlier ones, infantile too, begin at 0."""
ONSET = "HP:0003674"
_AGE = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T.*)?")


def age_of(subject: Subject) -> float:
    """The age at onset of a case, in days. Raises BadInput where it has none."""
    parts = _AGE.fullmatch(subject.onset or "")
    if parts is None:
        raise BadInput(
            "no age at onset in the case" if subject.onset is None else f"onset {subject.onset!r}",
            wanted="an age such as P3D, to rank by onset",
            do="Give `onset` in the case, or leave --by-onset out.",
            path=subject.path,
            key="onset",
        )
    years, months, weeks, days = (int(part or 0) for part in parts.groups())
    return _YEAR * (years + months / 12) + 7 * weeks + days


def too_late(ontology: Ontology, annotations: Annotations, age: float) -> dict[str, str]:
    """By gene, the name of its earliest onset, for the genes whose diseases begin too late for a patient of this age, in days."""
    begins = _onset_terms(ontology)
    found = {}
    for number, gene in enumerate(annotations.genes):
        known = [(begins[term], term) for term in map(int, annotations.terms_of(number)) if term in begins]
        if known and age < EARLIER * min(known)[0]:
            found[gene] = ontology.names[min(known)[1]]
    return found


def _onset_terms(ontology: Ontology) -> dict[int, float]:
    """By term below ONSET, the age in days at which it begins."""
    root = ontology.number.get(ONSET)
    if root is None:
        return {}
    ages = {ontology.number[term]: age for term, age in _BEGINS.items() if term in ontology.number}
    owner = np.repeat(np.arange(len(ontology.ids)), np.diff(ontology.above_start))
    below = owner[ontology.above == root]
    return {int(term): max(ages.get(int(above), 0.0) for above in ontology.ancestors(int(term))) for term in below if term != root}
