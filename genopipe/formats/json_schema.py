"""JSON documents and the schemas they are held to: one schema for each kind of document, in `genopipe/schemas/KIND.schema.json`."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs


@cache
def schema(kind: str) -> dict[str, Any]:
    """The schema of a kind of document."""
    document: dict[str, Any] = json.loads(resources.files("genopipe.schemas").joinpath(f"{kind}.schema.json").read_text())
    return document


@cache
def validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    """What finds the faults of a document of this kind (JSON Schema, draft 2020-12)."""
    return jsonschema_rs.Draft202012Validator(schema(kind))


def fault(document: object, kind: str) -> str | None:
    """Where and how a document first breaks its schema, or None where it holds."""
    try:
        first = next(validator(kind).iter_errors(document), None)
    except UnicodeEncodeError:
        return "text with half of a surrogate pair"
    if first is None:
        return None
    place = ".".join(map(str, first.instance_path))
    return f"{place}: {first.message[:200]}" if place else first.message[:200]
