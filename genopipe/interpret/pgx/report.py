"""pgx.html: one page, readable without anything from outside of it; what is urgent stands first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from genopipe import __version__
from genopipe.errors import BadInput


@dataclass(frozen=True, slots=True)
class Headline:
    """What the first page says; `urgency` is alarm, clear or unknown."""

    urgency: str
    headline: str
    text: str


def page(documents: Mapping[str, Mapping[str, Any]], *, sample: str, versions: Sequence[str]) -> str:
    """The page of the entries of `pgx.json`, in their order."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    source = resources.files("genopipe.interpret.pgx").joinpath("pgx.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        genes={gene: entry for gene, entry in documents.items() if entry["diplotypes"]},
        silent={gene: entry for gene, entry in documents.items() if not entry["diplotypes"]},
        gapped={gene: entry for gene, entry in documents.items() if entry["missing"]},
        drugs=_drugs(documents),
        aminoglycosides=headline(documents["MT-RNR1"]),
        sample=sample,
        versions=versions,
        version=__version__,
    )


def _drugs(documents: Mapping[str, Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every drug note once, by drug and source."""
    notes = {repr(note): note for entry in documents.values() for note in entry["drugs"]}
    return sorted(notes.values(), key=lambda note: (note["drug"], note["source"], note["population"], note["text"]))


def aminoglycosides(path: Path) -> Headline:
    """What a `pgx.json` says of MT-RNR1. Raises BadInput for another file."""
    try:
        return headline(json.loads(path.read_text(encoding="utf-8"))["MT-RNR1"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("no result of MT-RNR1", wanted="pgx.json as `genopipe pgx` writes it", do="Run it again.", path=path) from error


def headline(entry: Mapping[str, Any]) -> Headline:
    """What the entry of MT-RNR1 means for aminoglycosides."""
    if entry["warning"]:
        found = ", ".join(_carried(name, entry["share"].get(name)) for name in entry["diplotypes"])
        return Headline("alarm", f"Aminoglycosides: MT-RNR1 {found}", entry["warning"])
    if not entry["diplotypes"]:
        return Headline(
            "unknown",
            "Aminoglycosides: MT-RNR1 was not seen",
            "The variants say nothing certain of m.1095, m.1494 and m.1555. That is no negative result: "
            "test before gentamicin where time allows.",
        )
    others = [name for name in entry["diplotypes"] if name != "Reference"]
    return Headline(
        "clear",
        "Aminoglycosides: no MT-RNR1 variant that is known to raise the risk of hearing loss",
        "m.1095, m.1494 and m.1555 were looked at" + (f"; found: {', '.join(others)}, of uncertain risk." if others else "."),
    )


def _carried(name: str, share: float | None) -> str:
    return name if share is None else f"{name} in {100 * share:.0f} % of copies"
