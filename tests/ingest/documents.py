"""Documents of measures, checked against the schema that ships with genopipe."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema


def valid(document: Any, schema: str) -> Any:
    """The document, which keeps to `schema`."""
    text = resources.files("genopipe").joinpath("schemas", f"{schema}.schema.json").read_text()
    jsonschema.Draft202012Validator(json.loads(text)).validate(document)
    return document


def read_valid(path: Path, schema: str) -> Any:
    """The content of a file, which keeps to `schema`."""
    return valid(json.loads(path.read_text()), schema)
