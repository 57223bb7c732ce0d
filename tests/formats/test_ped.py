"""Pedigrees are read as the PED format says, and impossible ones are named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.ped import Member, read_ped


def ped(folder: Path, text: str) -> Path:
    path = folder / "family.ped"
    path.write_text(text)
    return path


def test_a_trio_is_read(tmp_path: Path) -> None:
    """Columns, comments, and the words that some programs write in place of numbers."""
    path = ped(tmp_path, "#family sample father mother sex affection\nF child dad mum 2 2\nF dad 0 0 male unaffected\nF mum -9 0 2 0\n")
    assert read_ped(path) == (
        Member("F", "child", "dad", "mum", "female", True),
        Member("F", "dad", None, None, "male", False),
        Member("F", "mum", None, None, "female", None),
    )


def test_a_byte_order_mark_is_no_part_of_the_family(tmp_path: Path) -> None:
    assert read_ped(ped(tmp_path, "\ufeffF\tS\t0\t0\t1\t1\r\n"))[0].family == "F"


def test_line_ends_of_old_spreadsheets_are_told(tmp_path: Path) -> None:
    (tmp_path / "family.ped").write_bytes(b"F\tS\t0\t0\t1\t1\rF\tT\t0\t0\t1\t1\r")
    with pytest.raises(BadInput, match=r"family\.ped:1: lines that end in CR alone; wanted LF or CR LF"):
        read_ped(tmp_path / "family.ped")


def test_empty_columns_between_tabs_are_unknown_parents(tmp_path: Path) -> None:
    assert read_ped(ped(tmp_path, "F\tS\t\t\t1\t1\n"))[0].father is None


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("F child dad mum 2\n", 1, "5 columns; wanted six"),
        ("F child dad 0 2 2\n", 1, "father dad of child has no line"),
        ("F child dad 0 2 2\nF dad 0 0 2 1\n", 1, "father dad of child is female; wanted a male father"),
        ("F child 0 mum 2 2\nF mum 0 0 1 1\n", 1, "mother mum of child is male"),
        ("F a b 0 1 1\nF b a 0 1 1\n", 1, "a descends from a"),
        ("F a a 0 1 1\n", 1, "a descends from a"),
        ("F a 0 0 1 1\nF a 0 0 1 1\n", 2, "sample a for the second time (line 1)"),
        ("F a 0 0 3 1\n", 1, "sex '3'"),
        ("F a 0 0 1 9\n", 1, "affection '9'"),
        ("F 0 0 0 1 1\n", 1, "sample '0'"),
        ("# nobody\n", None, "nobody in it"),
    ],
)
def test_an_impossible_pedigree_is_named_with_its_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_ped(ped(tmp_path, text))
    assert message in str(caught.value)
    assert caught.value.line == line


@given(st.text(max_size=200))
def test_any_text_is_a_pedigree_or_bad_input(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.ped"
    path.write_text(text)
    try:
        assert read_ped(path)
    except BadInput as error:
        assert str(path) in str(error)


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_any_family_without_circle_comes_back(tmp_path_factory: pytest.TempPathFactory, n: int, random) -> None:  # type: ignore[no-untyped-def]
    """Oracle: parents drawn among earlier people can make no circle, in whatever order the lines stand."""
    members = []
    for i in range(n):
        men = [m.sample for m in members if m.sex == "male"]
        women = [m.sample for m in members if m.sex == "female"]
        father = random.choice([None, *men])
        mother = random.choice([None, *women])
        members.append(Member("F", f"s{i}", father, mother, random.choice(["male", "female"]), random.choice([True, False, None])))
    random.shuffle(members)
    number = {"male": "1", "female": "2", True: "2", False: "1", None: "0"}
    path = tmp_path_factory.getbasetemp() / "family.ped"
    path.write_text("".join(f"F\t{m.sample}\t{m.father or 0}\t{m.mother or 0}\t{number[m.sex]}\t{number[m.affected]}\n" for m in members))
    assert read_ped(path) == tuple(members)


def test_pedigrees_of_other_programs_are_read(data: Path) -> None:
    assert len(read_ped(data / "trio/slivar_tests/ashk-trio.ped")) == 3
    assert len(read_ped(data / "trio/slivar_tests/bug.ped")) == 3
