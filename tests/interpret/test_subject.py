"""A phenopacket says the same in JSON and in YAML, in version 1 and in version 2."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from genopipe.errors import BadConfiguration, BadInput
from genopipe.interpret.subject import load_subject

FEATURES = [{"type": {"id": "HP:0001250"}}, {"type": {"id": "HP:0001252"}, "excluded": True}]
PERSONS = [
    {"individualId": "KID", "paternalId": "DAD", "sex": "FEMALE", "affectedStatus": "AFFECTED"},
    {"individualId": "DAD", "sex": "MALE", "affectedStatus": "UNAFFECTED"},
]
SINGLE: dict[str, Any] = {"id": "one", "subject": {"id": "KID", "sex": "FEMALE"}, "phenotypicFeatures": FEATURES}
FAMILY: dict[str, Any] = {"id": "one", "proband": SINGLE, "pedigree": {"persons": PERSONS}}


@pytest.mark.parametrize("packet", [SINGLE, FAMILY])
def test_yaml_says_what_json_says(tmp_path: Path, packet: dict[str, Any]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(packet))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(packet))
    told = load_subject(tmp_path / "a.json")
    assert replace(load_subject(tmp_path / "a.yaml"), path=told.path) == told
    assert (told.proband, told.observed, told.excluded) == ("KID", ("HP:0001250",), ("HP:0001252",))
    assert [member.sample for member in told.family] == (["KID", "DAD"] if packet is FAMILY else ["KID"])


def test_what_version_1_calls_negated_is_excluded(tmp_path: Path) -> None:
    features = [{"type": {"id": "HP:0001250"}}, {"type": {"id": "HP:0001252"}, "negated": True}]
    (tmp_path / "a.json").write_text(json.dumps(SINGLE | {"phenotypicFeatures": features}))
    assert load_subject(tmp_path / "a.json").excluded == ("HP:0001252",)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"affectedStatus": "UNAFFECTED"}, "the proband KID is unaffected in the pedigree; wanted a proband who is affected"),
        ({"sex": "MALE"}, "the proband KID is female in the case file and male in the pedigree"),
    ],
)
def test_a_pedigree_that_contradicts_the_proband_is_refused(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    """An unaffected proband would turn every finding into one that does not fit the family."""
    (tmp_path / "a.json").write_text(json.dumps(FAMILY | {"pedigree": {"persons": [PERSONS[0] | changed, PERSONS[1]]}}))
    with pytest.raises(BadInput, match=message):
        load_subject(tmp_path / "a.json")
    sex, affected = ("1", "2") if "sex" in changed else ("2", "1")
    (tmp_path / "p.ped").write_text(f"F\tKID\t0\t0\t{sex}\t{affected}\n")
    (tmp_path / "c.yaml").write_text("case: C\nreference: r\nevidence: e\npedigree: p.ped\nproband: {sample: KID, sex: female}\n")
    with pytest.raises(BadInput, match=rf"p\.ped: {message}"):
        load_subject(tmp_path / "c.yaml")


def test_a_yaml_file_that_is_neither_is_taken_for_a_case_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("proband: KID\n")
    with pytest.raises(BadConfiguration, match=r"a\.yaml"):
        load_subject(tmp_path / "a.yaml")
