"""Which people belong together: by a table, or by terms below a term of the ontology."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines
from genopipe.interpret.evidence import EvidenceSet
from genopipe.interpret.ontology import load_ontology


def read_cohorts(path: Path) -> dict[str, str]:
    """The cohort of each sample: two columns, a tab between, `#` for comments. Raises BadInput with the line."""
    cohorts: dict[str, str] = {}
    for line, text in read_lines(path):
        if not text.strip() or text.startswith("#"):
            continue
        column = text.split("\t")
        if len(column) != 2 or not all(column):
            raise BadInput(f"{len(column)} columns", wanted="sample and cohort, a tab between", do="Correct it.", path=path, line=line)
        if cohorts.setdefault(column[0], column[1]) != column[1]:
            raise BadInput("a sample in two cohorts", wanted="each sample in one", do="Remove one line.", path=path, line=line)
    if not cohorts:
        raise BadInput("nothing in it", wanted="sample and cohort, a tab between", do="Check the file.", path=path)
    return cohorts


def terms_below(evidence: EvidenceSet, term: str) -> list[str]:
    """The term and every term below it, alternative ids too. Raises BadInput for one that the ontology does not know."""
    ontology = load_ontology(evidence)
    number = ontology.resolve(term, key="TERM")
    owner = np.repeat(np.arange(len(ontology.ids)), np.diff(ontology.above_start))
    below = {ontology.ids[i] for i in owner[ontology.above == number]}
    return sorted(below | {other for other, current in ontology.renamed.items() if current in below})
