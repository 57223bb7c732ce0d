"""Drug notes: what CPIC, DPWG and FDA recommend for the phenotypes found, as a release's `prescribing_guidance.json` has it.

A recommendation asks of one or more genes for a lookup key of the phenotype tables, for the count of each name, or for an HLA allele that
is there or not ("*57:01 positive"). It is told where every gene it asks for answers, and all diplotypes that tie answer alike. The file is
read in place, and where a release lacks it nothing is told of drugs.

Source: PharmCAT, Matching Recommendations.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genopipe.errors import BadInput
from genopipe.interpret.pgx.definitions import read_table

NAME = "prescribing_guidance.json"
_TAG = re.compile(r"<[^>]+>")
_STATUS = re.compile(r"(\*\S+) (positive|negative)")


@dataclass(frozen=True, slots=True)
class Note:
    """One recommendation for a drug. `wanted` is by gene what it asks for; classification and population are empty where not given."""

    drug: str
    source: str
    url: str
    text: str
    implications: tuple[str, ...]
    classification: str
    population: str
    wanted: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gene answers: for each diplotype that ties its names and its lookup keys."""

    pairs: Sequence[tuple[str, ...]]
    keys: Sequence[frozenset[str]]

    def meets(self, wanted: Any) -> bool:
        """True where every diplotype has what is wanted."""
        if not self.pairs:
            return False
        if isinstance(wanted, Mapping):
            return all(Counter(pair) == {name: int(n) for name, n in wanted.items()} for pair in self.pairs)
        status = _STATUS.fullmatch(str(wanted))
        if status is not None:
            return all((status[1] in pair) == (status[2] == "positive") for pair in self.pairs)
        return all(str(wanted) in keys for keys in self.keys)


def read_guidance(folder: Path) -> tuple[Note, ...]:
    """All notes of a release; none where it has no such file. Raises BadInput for a damaged one."""
    return tuple(note for path in sorted(folder.rglob(NAME)) for note in _notes(path))


def _notes(path: Path) -> Iterator[Note]:
    table = read_table(path, ("guidelines",))
    try:
        for package in table["guidelines"]:
            guideline = package["guideline"]
            for one in package.get("recommendations") or ():
                drugs = one.get("relatedChemicals") or guideline["relatedChemicals"]
                for drug in drugs:
                    yield _note(drug["name"], guideline, one)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        do = "Take it from a PharmCAT release."
        raise BadInput(f"unlike a table of prescribing guidance ({error!r})", wanted="PharmCAT's form", do=do, path=path) from error


def _note(drug: str, guideline: Mapping[str, Any], one: Mapping[str, Any]) -> Note:
    text = one.get("text") or ""
    graded = one.get("classification") or ""
    return Note(
        drug=drug,
        source=str(guideline.get("source") or ""),
        url=str(guideline.get("url") or ""),
        text=plain(text["html"] if isinstance(text, Mapping) else text),
        implications=tuple(plain(said) for said in one.get("implications") or ()),
        classification=str(graded["term"] if isinstance(graded, Mapping) else graded),
        population=str(one.get("population") or ""),
        wanted=dict(one["lookupKey"]),
    )


def plain(text: str) -> str:
    """Text without tags and entities, in one line."""
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def notes_for(notes: Sequence[Note], answers: Mapping[str, Answer]) -> list[Note]:
    """The notes that the genes of a sample call for, by drug and source."""
    nothing = Answer((), ())
    found = [note for note in notes if note.wanted and all(answers.get(gene, nothing).meets(key) for gene, key in note.wanted.items())]
    return sorted(found, key=lambda note: (note.drug, note.source, note.population, note.text))
