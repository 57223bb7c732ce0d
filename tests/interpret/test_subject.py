"""A phenopacket says the same in JSON and in YAML, in version 1 and in version 2."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from genopipe.errors import BadConfiguration
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


def test_a_yaml_file_that_is_neither_is_taken_for_a_case_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("proband: KID\n")
    with pytest.raises(BadConfiguration, match=r"a\.yaml"):
        load_subject(tmp_path / "a.yaml")
