"""Documents held to their schemas, against jsonschema, another implementation of the specification."""

from __future__ import annotations

import copy
import json
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.formats.json_schema import fault, schema

KINDS = sorted(
    path.name.removesuffix(".schema.json") for path in resources.files("genopipe.schemas").iterdir() if path.name.endswith(".json")
)


RECEIPT = {
    "receipt": 1,
    "size": 10,
    "stored_size": 5,
    "files": [
        {
            "name": "a.bam",
            "sample": None,
            "version": 1,
            "digest": "a" * 64,
            "size": 10,
            "stored_size": 5,
            "exactness": "bytes",
            "kind": "alignments",
            "manifest": "b" * 64,
            "objects": [{"digest": "c" * 64, "size": 5, "role": "pool"}],
        }
    ],
}
VALUES = [None, True, 1, 0, -1, 1.0, 1.5, "", "a", "bytes", "reads", "index", "c" * 64, "c" * 65, "C" * 64, [], {}, [1], {"name": "a"}]


def _places(part: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [place, *(found for key, value in inner for found in _places(value, (*place, key)))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_is_one(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))


@given(st.sampled_from(_places(RECEIPT)[1:]), st.sampled_from(["change", "remove", "add"]), st.sampled_from(VALUES))
def test_a_fault_is_found_where_there_is_one(place: tuple[str | int, ...], how: str, value: object) -> None:
    document = copy.deepcopy(RECEIPT)
    holder: Any = document
    for key in place[:-1]:
        holder = holder[key]
    if how == "change":
        holder[place[-1]] = value
    elif how == "remove":
        del holder[place[-1]]
    elif isinstance(holder, dict):
        holder["other"] = value
    else:
        holder.append(value)
    assert (fault(document, "receipt") is None) == jsonschema.Draft202012Validator(schema("receipt")).is_valid(document)


def test_a_fault_is_told_with_its_place() -> None:
    assert fault({"receipt": 1, "files": [{}], "size": 0, "stored_size": 0}, "receipt") == 'files.0: "name" is a required property'


def test_text_that_is_no_unicode_is_a_fault() -> None:
    assert fault(json.loads('{"receipt": "\\ud800"}'), "receipt") == "text with half of a surrogate pair"
