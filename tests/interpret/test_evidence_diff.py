"""Two sets compared record by record, and digests that are those of the records.

Oracle: dictionaries of what was put in.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.cli import genopipe
from genopipe.errors import BadInput
from genopipe.interpret import evidence_sorted
from genopipe.interpret.evidence import EvidenceSet, Release, add, datasets, lock, open_set
from genopipe.interpret.evidence_diff import changed_records, diff, records
from genopipe.interpret.evidence_digest import records_digest
from tests.interpret.world import CLINVAR_HEADER, FREQUENCY_HEADER, OBO, write_sites

Place = tuple[str, int, str, str]
DATE = {"old": "2026-01-01", "new": "2026-02-01"}


def locked(folder: Path, name: str, records: dict[Place, float], *, dataset: str = "f") -> EvidenceSet:
    sites = [(f"chr{contig}", position, ref, alt, f"AF={af};nhomalt=3") for (contig, position, ref, alt), af in records.items()]
    file = write_sites(folder / f"{name}.vcf.gz", FREQUENCY_HEADER, sites)
    store = folder / "E"
    add(store, "frequency", file, release=Release(dataset, name, DATE[name], "CC0", "world"), may_shrink=True)
    return lock(store, name, only=[dataset])


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_those_of_two_dictionaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    monkeypatch.setattr(evidence_sorted, "ROW_GROUP", 7)
    draw = random.Random(seed)
    places = [(draw.choice("12X"), draw.randrange(60), ref, alt) for ref in "AC" for alt in "GT" for _ in range(60)]
    before = {place: draw.choice([0.25, 0.5]) for place in draw.sample(places, 120)}
    after = {place: draw.choice([0.25, 0.5]) for place in draw.sample(places, 120)}
    old, new = locked(tmp_path, "old", before), locked(tmp_path, "new", after)
    expected = {place: (before.get(place), after.get(place)) for place in before.keys() | after.keys()}
    expected = {place: change for place, change in expected.items() if change[0] != change[1]}
    found = list(changed_records(old, new, "frequency"))
    assert {(c, p, r, a): (b and b["af"], n and n["af"]) for c, p, r, a, b, n in found} == expected
    assert len(found) == len(expected)
    assert [change[:4] for change in found if change[0] == "1"] == sorted(place for place in expected if place[0] == "1")
    (told,) = diff(old, new)
    assert told.added == len(after.keys() - before.keys())
    assert told.removed == len(before.keys() - after.keys())
    assert told.changed == sum(before[place] != after[place] for place in before.keys() & after.keys())
    assert list(changed_records(old, old, "frequency")) == []
    assert list(changed_records(old, new, "clinvar")) == []


def test_a_data_set_that_comes_or_goes_is_added_or_removed_whole(tmp_path: Path) -> None:
    some: dict[Place, float] = {("1", 5, "A", "C"): 0.1, ("2", 5, "A", "C"): 0.1}
    old, new = locked(tmp_path, "old", some, dataset="a"), locked(tmp_path, "new", some, dataset="b")
    assert [(told.name, told.added, told.removed, told.changed) for told in diff(old, new)] == [("a", 0, 2, 0), ("b", 2, 0, 0)]
    changes = list(changed_records(old, new, "frequency"))
    assert [(change[0], change[4] is None, change[5] is None) for change in changes] == [
        ("1", False, True), ("2", False, True), ("1", True, False), ("2", True, False),
    ]  # fmt: skip


def test_tables_without_places_are_compared_by_their_keys(tmp_path: Path) -> None:
    (tmp_path / "hp.obo").write_text(OBO)
    add(tmp_path / "E", "hpo", tmp_path / "hp.obo", release=Release("hpo", "1", "2026-01-01", "HPO", None))
    old = lock(tmp_path / "E", "old")
    (tmp_path / "new.obo").write_text(OBO.replace("name: Seizure", "name: Fit") + "\n[Term]\nid: HP:0000009\nname: New\nis_a: HP:0000118\n")
    add(tmp_path / "E", "hpo", tmp_path / "new.obo", release=Release("hpo", "2", "2026-02-01", "HPO", None))
    (told,) = diff(old, lock(tmp_path / "E", "new"))
    assert (told.old, told.new, told.added, told.removed, told.changed) == ("1", "2", 1, 0, 1)
    words = ["evidence", "diff", str(tmp_path / "E/old"), str(tmp_path / "E/new")]
    assert CliRunner().invoke(genopipe, words).output == "hpo\t1 to 2\t+1\t-0\tchanged 1\n"
    lines = [line.split("\t") for line in CliRunner().invoke(genopipe, [*words, "--records"]).output.splitlines()]
    assert [line[:2] for line in lines] == [["hpo", "HP:0000009"], ["hpo", "HP:0001250"]]
    assert json.loads(lines[0][2]) is None
    assert [json.loads(value)["name"] for value in lines[1][2:]] == ["Seizure", "Fit"]


def test_a_changed_class_is_told_with_both(tmp_path: Path) -> None:
    sets = []
    for name, verdict in (("old", "Uncertain_significance"), ("new", "Pathogenic")):
        told = f"CLNSIG={verdict};CLNREVSTAT=reviewed_by_expert_panel;CLNDN=X;GENEINFO=G:1"
        file = write_sites(tmp_path / f"{name}.vcf.gz", CLINVAR_HEADER, [("chr1", 5, "A", "C", told)])
        add(tmp_path / "E", "clinvar", file, release=Release("clinvar", name, DATE[name], "CC0", "world"))
        sets.append(lock(tmp_path / "E", name))
    ((contig, position, ref, alt, before, after),) = changed_records(*sets, "clinvar")
    assert (contig, position, ref, alt) == ("1", 5, "A", "C")
    assert before is not None and after is not None
    assert (before["significance"], after["significance"]) == ("uncertain", "pathogenic")
    assert list(records(*sets)) == [("clinvar", "1-6-A-C", before, after)]


COLUMN = {
    "text": st.one_of(st.none(), st.text(max_size=3)),
    "number": st.one_of(st.none(), st.integers(-5, 5)),
    "real": st.one_of(st.none(), st.floats(0, 1)),
    "flag": st.one_of(st.none(), st.booleans()),
    "texts": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.text(max_size=2)), max_size=3)),
}
SCHEMA = pa.schema(
    [("text", pa.string()), ("number", pa.int32()), ("real", pa.float64()), ("flag", pa.bool_()), ("texts", pa.list_(pa.string()))]
)


@settings(max_examples=60)
@given(st.lists(st.fixed_dictionaries(COLUMN), max_size=8), st.lists(st.fixed_dictionaries(COLUMN), max_size=8), st.integers(1, 5))
def test_a_digest_is_that_of_the_records_alone(
    tmp_path_factory: pytest.TempPathFactory, one: list[dict[str, Any]], other: list[dict[str, Any]], group: int
) -> None:
    folder = tmp_path_factory.mktemp("digest")

    def digest(rows: list[dict[str, Any]], **how: Any) -> str:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "table", **how)
        return records_digest(folder / "table")

    plain = digest(one)
    assert plain == digest(one, compression="none", row_group_size=group, use_dictionary=False, version="1.0")
    assert (plain == digest(other)) == (one == other)


def test_the_digest_of_a_set_does_not_hang_on_the_names_of_its_objects(tmp_path: Path) -> None:
    (tmp_path / "hp.obo").write_text(OBO)
    dataset = add(tmp_path / "E", "hpo", tmp_path / "hp.obo", release=Release("hpo", "1", "2026-01-01", "HPO", None))
    chosen = lock(tmp_path / "E", "a")
    document = json.loads((tmp_path / "E/a").read_text())
    document["datasets"][0]["object"] = "0" * 64
    (tmp_path / "E/a").write_text(json.dumps(document))
    assert open_set(tmp_path / "E/a").digest == chosen.digest
    with pytest.raises(BadInput, match=r"the records of hpo 1 are not in the evidence folder; wanted object 000000000000"):
        open_set(tmp_path / "E/a").table(open_set(tmp_path / "E/a").datasets[0])
    document["datasets"][0]["digest"] = dataset.digest[::-1]
    (tmp_path / "E/a").write_text(json.dumps(document))
    with pytest.raises(BadInput, match="the set was changed after it was locked"):
        open_set(tmp_path / "E/a")


def test_a_folder_of_an_older_genopipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hp.obo").write_text(OBO)
    add(tmp_path / "E", "hpo", tmp_path / "hp.obo", release=Release("hpo", "1", "2026-01-01", "HPO", None))
    (manifest,) = (tmp_path / "E/datasets").glob("*.json")
    manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 1'))
    with pytest.raises(BadInput, match="evidence of schema 1; wanted schema 2"):
        datasets(tmp_path / "E")
