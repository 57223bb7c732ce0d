"""YAML documents that remember where each key stands, checked against a JSON schema.

Every fault is told with file and line: broken YAML, an unknown key with the nearest known one, a missing key, a value that does
not fit with what would. The schemas are in `genopipe/schemas/`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from genopipe.errors import BadConfiguration
from genopipe.formats.json_schema import schema, validator

_DATE, _TEXT, _MERGE = (f"tag:yaml.org,2002:{name}" for name in ("timestamp", "str", "merge"))
_JSON = ("null", "bool", "int", "float", "str", "seq", "map")


class _JsonLoader(yaml.SafeLoader):
    """Makes what JSON can hold: a date stays text, and a tag such as `!!set` is an error."""


_JsonLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in patterns if tag != _DATE]
    for first, patterns in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_JsonLoader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag.rsplit(":", 1)[1] in _JSON
}


class Lines:
    """1-based line of every key and list item of a YAML document, by its path from the root."""

    def __init__(self, node: yaml.Node | None) -> None:
        self.line: dict[tuple[str | int, ...], int] = {}
        if node is not None:
            self._walk(node, ())

    def _walk(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        self.line.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self.line[(*path, key.value)] = key.start_mark.line + 1
                self._walk(value, (*path, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._walk(value, (*path, index))

    def at(self, path: Sequence[str | int]) -> int:
        """The line of `path`, or of the nearest enclosing key."""
        return next((self.line[tuple(path[:n])] for n in range(len(path), -1, -1) if tuple(path[:n]) in self.line), 1)


def read_yaml(path: Path, kind: str) -> tuple[dict[str, Any], Lines]:
    """The mapping of a YAML file and its lines; `kind` (case, site) names it in errors. Raises BadConfiguration."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadConfiguration(
            f"no {kind} file here", wanted="a YAML file", do="Check the path; `genopipe init` writes one.", path=path
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(
            f"the {kind} file cannot be read ({error})", wanted="a readable YAML file", do="Check the file.", path=path
        ) from error
    try:
        document, node = yaml.load(text, _JsonLoader), yaml.compose(text, _JsonLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        came = getattr(error, "problem", None) or "broken YAML"
        raise BadConfiguration(
            str(came), wanted="well-formed YAML", do="Mend this line.", path=path, line=mark.line + 1 if mark else 1
        ) from error
    _check_keys(node, kind, path)
    if not isinstance(document, dict):
        raise BadConfiguration(
            f"a {kind} file that is no mapping",
            wanted="lines such as `key: value`",
            do="`genopipe init` writes one to start from.",
            path=path,
        )
    return document, Lines(node)


def _check_keys(node: yaml.Node | None, kind: str, path: Path) -> None:
    """YAML lets the last of two equal keys win without a word, and takes numbers for keys; here these are errors."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag not in (_TEXT, _MERGE):
                raise BadConfiguration(
                    f"key `{key.value}`, which is no text", wanted="text as a key", do="Quote it, or remove it.", path=path, line=line
                )
            if str(key.value) in seen:
                raise BadConfiguration(
                    f"key `{key.value}` for the second time (line {seen[str(key.value)]})",
                    wanted=f"each key once in a {kind} file",
                    do="Remove one of the two.",
                    path=path,
                    line=line,
                )
            seen[str(key.value)] = line
            _check_keys(value, kind, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _check_keys(value, kind, path)


def check(document: dict[str, Any], lines: Lines, kind: str, path: Path) -> None:
    """Raises BadConfiguration for the first fault the schema finds, an unknown key before all others."""
    try:
        faults = [_leaf(fault) for fault in validator(kind).iter_errors(document)]
    except UnicodeEncodeError as error:
        raise BadConfiguration(
            "text with half of a surrogate pair", wanted="Unicode text", do="Mend the `\\u` in quotes.", path=path
        ) from error
    for leaf in sorted(faults, key=lambda leaf: (leaf.kind.name != "additionalProperties", lines.at(leaf.instance_path))):
        place, broken = leaf.instance_path, _part(kind, leaf.schema_path[:-1])
        key = ".".join(map(str, place)) or None
        if leaf.kind.name == "additionalProperties":
            raise _unknown_key(leaf, broken, lines, path)
        if leaf.kind.name == "required":
            missing = leaf.kind.property
            raise BadConfiguration(
                f"`{missing}` is missing",
                wanted=_wanted(broken["properties"][missing], kind),
                do=f"Add `{missing}:` here.",
                path=path,
                line=lines.at(place),
                key=key,
            )
        no_text = broken.get("type") == "string" and isinstance(leaf.instance, bool | int | float)
        do = "Put it in quotes, so that it is text." if no_text else "Mend this value."
        raise BadConfiguration(
            f"{leaf.instance!r} does not fit", wanted=_wanted(broken, kind), do=do, path=path, line=lines.at(place), key=key
        )


def _leaf(fault: Any) -> Any:
    """The deepest fault behind one of several alternatives."""
    while inner := list(chain.from_iterable(getattr(fault.kind, "context", ()))):
        fault = max(inner, key=lambda one: len(one.instance_path))
    return fault


def _part(kind: str, place: Sequence[str | int]) -> Any:
    part: Any = schema(kind)
    for name in place:
        part = part[name]
    return part


def _unknown_key(fault: Any, broken: Mapping[str, Any], lines: Lines, path: Path) -> BadConfiguration:
    known = list(broken["properties"])
    unknown = next(name for name in fault.instance if name not in known)
    near = difflib.get_close_matches(str(unknown), known, n=1, cutoff=0.5)
    place = [*fault.instance_path, str(unknown)]
    do = f"Did you mean `{near[0]}`?" if near else "Remove it."
    return BadConfiguration(f"unknown key `{unknown}`", wanted="one of " + ", ".join(known), do=do, path=path, line=lines.at(place))


def _wanted(part: Mapping[str, Any], kind: str) -> str:
    if "$ref" in part:
        part = _part(kind, part["$ref"].split("/")[1:]) | part
    if "enum" in part:
        return "one of " + ", ".join(map(str, part["enum"]))
    text = str(part.get("description", f"a {part.get('type', 'value')}")).rstrip(".")
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
