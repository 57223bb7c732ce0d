"""OBO ontologies: terms, their parents, and what became of old ids.

The reader knows the parts of OBO 1.2 and 1.4 that an is-a hierarchy needs: `id`, `name`, `alt_id`, `is_a`, `is_obsolete`, `replaced_by` and
the `data-version` of the header. Other tags and other stanzas are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.formats.text_lines import read_lines


@dataclass(frozen=True, slots=True)
class Term:
    """One term: ids of its `parents` (is_a), `alternative` ids that mean the same, and for an obsolete one its replacement, if named."""

    id: str
    name: str
    parents: tuple[str, ...] = ()
    alternative: tuple[str, ...] = ()
    obsolete: bool = False
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class Ontology:
    """The terms of a file in file order, and its version (empty where it names none)."""

    version: str
    terms: tuple[Term, ...]


@dataclass(slots=True)
class _Stanza:
    kind: str
    line: int
    tags: dict[str, list[str]] = field(default_factory=dict)

    def one(self, tag: str) -> str | None:
        return self.tags[tag][0] if tag in self.tags else None


def read_obo(path: Path) -> Ontology:
    """The ontology of an OBO file, plain or gzip. Raises BadInput with the line for a term without id, twice, or under an unknown one."""
    version = ""
    terms: dict[str, Term] = {}
    line_of: dict[str, int] = {}
    for stanza in _stanzas(path):
        if stanza.kind == "header":
            version = stanza.one("data-version") or ""
        elif stanza.kind == "Term":
            term = _term(stanza, path)
            if term.id in terms:
                raise _fault(f"term {term.id} for the second time (line {line_of[term.id]})", "each term once", path, stanza.line)
            terms[term.id], line_of[term.id] = term, stanza.line
    if not terms:
        raise BadInput("no [Term] in it", wanted="an OBO ontology", do="Check that this is an OBO file, such as hp.obo.", path=path)
    for term in terms.values():
        for parent in term.parents:
            if parent not in terms:
                raise _fault(f"{term.id} is under {parent}, which is no term here", "parents of this file", path, line_of[term.id])
    return Ontology(version, tuple(terms.values()))


def _stanzas(path: Path) -> Iterator[_Stanza]:
    stanza = _Stanza("header", 1)
    for line, text in read_lines(path):
        if text.startswith("["):
            yield stanza
            stanza = _Stanza(text.strip().strip("[]"), line)
        elif text.strip() and not text.startswith("!"):
            tag, colon, value = text.partition(":")
            if not colon:
                raise _fault(f"{text[:40]!r}", "`tag: value`", path, line)
            stanza.tags.setdefault(tag.strip(), []).append(value.strip())
    yield stanza


def _term(stanza: _Stanza, path: Path) -> Term:
    identifier = _id(stanza.one("id") or "")
    if not identifier:
        raise _fault("a term without id", "an id in every [Term]", path, stanza.line)
    replacement = stanza.one("replaced_by")
    return Term(
        identifier,
        stanza.one("name") or "",
        tuple(_id(value) for value in stanza.tags.get("is_a", ())),
        tuple(_id(value) for value in stanza.tags.get("alt_id", ())),
        stanza.one("is_obsolete") == "true",
        _id(replacement) if replacement else None,
    )


def _id(value: str) -> str:
    """The id of a value such as `HP:0000107 {source="x"} ! Renal cyst`."""
    return value.split("!")[0].split("{")[0].strip()


def _fault(came: str, wanted: str, path: Path, line: int) -> BadInput:
    return BadInput(came, wanted=wanted, do="Correct the ontology, or download it again.", path=path, line=line)
