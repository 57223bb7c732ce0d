"""The model of a sample: what `genopipe fit` learns of its reads and `genopipe call` goes by.

A model is a small JSON file of whole numbers, checked against `schemas/model.schema.json`. It says which reference and which alignments it
is of, by digest, so that it is never used for others.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe import __version__
from genopipe.call.gap_errors import SCALE
from genopipe.call.ploidy import Sex
from genopipe.call.recalibration import Recalibration
from genopipe.call.settings import Settings
from genopipe.errors import BadInput
from genopipe.formats.json_schema import fault
from genopipe.kernels.recalibration import MOST_CYCLES, N_CYCLES
from genopipe.model import Genome
from genopipe.outputs import whole_file

MODEL_VERSION = 2
MILLION = 1_000_000
_AS_THEY_ARE = ("sample", "reference", "alignments", "known_sites", "bases", "depth", "depth_cap", "contamination")
_AGAIN = "Run `genopipe fit` on the BAM that is to be called."


@dataclass(frozen=True, slots=True)
class SexChromosomes:
    """Depth of X and share of Y that is seen, in percent of the autosomes, None where it cannot be told; and the sex that fits."""

    x_percent: int | None = None
    y_percent: int | None = None
    sex: Sex | None = None


@dataclass(frozen=True)
class Model:
    """What was learnt of a sample.

    reference, alignments  digests
    bases                  read bases that it was learnt from
    depth                  middle depth of the autosomes where they are covered, fragments; 0 where there are none
    depth_cap              reads deeper than this are thinned out
    contamination          share of other people's bases, at least so many in a million
    gap_rate               (bases of the unit, number of units) int64: chance of an indel error in a repeat, in `SCALE`
    """

    sample: str
    reference: str
    alignments: str
    known_sites: bool
    bases: int
    depth: int
    depth_cap: int
    contamination: int
    sex_chromosomes: SexChromosomes
    recalibration: Recalibration
    gap_rate: NDArray[np.int64]

    @cached_property
    def gap_chance(self) -> NDArray[np.float64]:
        """(bases of the unit, number of units) float64."""
        return self.gap_rate / SCALE

    def fitted(self, settings: Settings) -> Settings:
        """The settings with what this sample's fragments of the reference may say."""
        if not self.contamination:
            return settings
        return replace(settings, reference_cap=min(settings.reference_cap, round(-10_000 * math.log10(self.contamination / MILLION))))

    @cached_property
    def quality_tables(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """What `recalibrated` looks qualities up in."""
        return self.recalibration.tables()


def reference_digest(genome: Genome) -> str:
    """One digest of names, lengths and sequences of all contigs."""
    text = "".join(f"{contig.name}\t{contig.length}\t{contig.md5}\n" for contig in genome.contigs)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def write_model(model: Model, path: Path) -> None:
    """Writes the JSON; the same model gives the same bytes."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(_document(model), sort_keys=True, separators=(",", ":")) + "\n")


def _document(model: Model) -> dict[str, Any]:
    learnt, chromosomes = model.recalibration, model.sex_chromosomes
    return {
        "model": MODEL_VERSION,
        "genopipe": __version__,
        **{key: getattr(model, key) for key in _AS_THEY_ARE},
        "sex": {"x_percent": chromosomes.x_percent, "y_percent": chromosomes.y_percent, "inferred": chromosomes.sex},
        "qualities": [
            {
                "reported": int(reported),
                "empirical": int(learnt.empirical[row]),
                "first_read": _without_end(learnt.cycle[row, :MOST_CYCLES]),
                "second_read": _without_end(learnt.cycle[row, MOST_CYCLES:]),
                "context": learnt.context[row].tolist(),
            }
            for row, reported in enumerate(learnt.reported)
        ],
        "gap_rates": model.gap_rate[1:, 1:].tolist(),
    }


def _without_end(values: NDArray[np.int64]) -> list[int]:
    """The values without the zeros at their end."""
    return values[: int(np.flatnonzero(values).max(initial=-1)) + 1].tolist()


def read_model(path: Path) -> Model:
    """The model in a file. Raises BadInput where it is none of this version."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        raise _no_model(path, "the file is no JSON") from None
    version = document.get("model") if isinstance(document, dict) else None
    if version != MODEL_VERSION:
        raise _no_model(path, f"the model has version {version}")
    found = fault(document, "model")
    if found is not None:
        raise _no_model(path, found)
    return _model(document)


def _model(document: dict[str, Any]) -> Model:
    qualities = document["qualities"]
    cycle = np.zeros((len(qualities), N_CYCLES), np.int64)
    for row, quality in enumerate(qualities):
        for first, values in ((0, quality["first_read"]), (MOST_CYCLES, quality["second_read"])):
            cycle[row, first : first + len(values)] = values
    reported, empirical = (np.array([quality[key] for quality in qualities], np.int64) for key in ("reported", "empirical"))
    context = np.array([quality["context"] for quality in qualities], np.int64).reshape(len(qualities), -1)
    sex = document["sex"]
    return Model(
        **{key: document[key] for key in _AS_THEY_ARE},
        sex_chromosomes=SexChromosomes(sex["x_percent"], sex["y_percent"], sex["inferred"]),
        recalibration=Recalibration(reported, empirical, cycle, context),
        gap_rate=np.pad(np.array(document["gap_rates"], np.int64), ((1, 0), (1, 0))),
    )


def check_model(model: Model, path: Path, *, reference: str, alignments: str, sample: str) -> None:
    """Raises BadInput where the model is of another reference, other alignments, or another sample."""
    wanted = {"reference": reference, "alignments": alignments, "sample": sample}
    for what, value in wanted.items():
        came = getattr(model, what)
        if came != value:
            raise BadInput(f"the {what} of the model: {came}", wanted=value, do=_AGAIN, path=path, key=what)


def _no_model(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted=f"a model of version {MODEL_VERSION}, made by `genopipe fit`", do=_AGAIN, path=path)
