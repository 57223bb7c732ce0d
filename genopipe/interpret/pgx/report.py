"""pgx.html: one page, readable without anything from outside of it; what is urgent stands first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from genopipe import __version__


def page(documents: Mapping[str, Mapping[str, Any]], *, sample: str, versions: Sequence[str]) -> str:
    """The page of the entries of `pgx.json`, in their order."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    source = resources.files("genopipe.interpret.pgx").joinpath("pgx.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        genes={gene: entry for gene, entry in documents.items() if entry["diplotypes"]},
        silent={gene: entry for gene, entry in documents.items() if not entry["diplotypes"]},
        gapped={gene: entry for gene, entry in documents.items() if entry["missing"]},
        mitochondrial=documents["MT-RNR1"],
        sample=sample,
        versions=versions,
        version=__version__,
    )
