"""Ontologies are read with their parents and what became of old ids."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.obo import Term, read_obo

SMALL = """format-version: 1.2
data-version: hp/releases/2026-01-01

[Term]
id: HP:0000001
name: All

[Term]
id: HP:0000002
name: Height: abnormal
alt_id: HP:0000009
is_a: HP:0000001 {source="x"} ! All

[Term]
id: HP:0000003
name: obsolete Old
is_obsolete: true
replaced_by: HP:0000002

[Typedef]
id: part_of
"""


def obo(folder: Path, text: str) -> Path:
    path = folder / "small.obo"
    path.write_text(text)
    return path


def test_terms_parents_and_replacements(tmp_path: Path) -> None:
    ontology = read_obo(obo(tmp_path, SMALL))
    assert ontology.version == "hp/releases/2026-01-01"
    assert ontology.terms == (
        Term("HP:0000001", "All"),
        Term("HP:0000002", "Height: abnormal", ("HP:0000001",), ("HP:0000009",)),
        Term("HP:0000003", "obsolete Old", obsolete=True, replaced_by="HP:0000002"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[Term]\nname: x\n", ":1: a term without id"),
        ("[Term]\nid: A\n\n[Term]\nid: A\n", ":4: term A for the second time (line 1)"),
        ("[Term]\nid: A\nis_a: B ! x\n", ":1: A is under B, which is no term here"),
        ("[Term]\nid: A\nrubbish\n", ":3: 'rubbish'"),
        ("format-version: 1.2\n", "no [Term] in it"),
    ],
)
def test_a_broken_ontology_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_obo(obo(tmp_path, text))
    assert message in str(caught.value)


@given(st.text(alphabet="[Term]\nid: AB_s!{}1", max_size=120))
def test_any_text_is_an_ontology_or_bad_input(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.obo"
    path.write_text(text)
    try:
        terms = read_obo(path).terms
        assert {parent for term in terms for parent in term.parents} <= {term.id for term in terms}
    except BadInput as error:
        assert str(path) in str(error)


def test_the_whole_hpo_of_2014_is_read(data: Path) -> None:
    """Oracle: the counts of `id:` and `is_a:` lines of the file."""
    path = data / "hpo/hp-2014-03-18.obo"
    text = path.read_text()
    ontology = read_obo(path)
    assert ontology.version == "2014-03-18"
    assert len(ontology.terms) == text.count("\nid: HP:")
    assert sum(len(term.parents) for term in ontology.terms) == text.count("\nis_a: ")
