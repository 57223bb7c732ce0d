"""`RunParameters.xml`: the instrument, and whether it takes index 2 from the other strand.

`RunInfo.xml` of newer instruments says for each read whether it is taken from the other strand; of older ones only the instrument and its
chemistry tell. `READS_INDEX2_REVERSED` lists them by the beginning of the instrument's name.

Source: Illumina, Indexed Sequencing Overview guide, document 15057455 ("Forward strand workflow" and "reverse complement workflow", by
instrument and reagent version).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genopipe.errors import BadInput
from genopipe.formats.run_info import read_xml

READS_INDEX2_REVERSED: dict[str, tuple[str, bool | None]] = {
    "LH": ("NovaSeq X", True),
    "VH": ("NextSeq 1000/2000", True),
    "VL": ("NextSeq 1000/2000", True),
    "FS": ("iSeq 100", True),
    "MN": ("MiniSeq", True),
    "NB": ("NextSeq 500/550", True),
    "NS": ("NextSeq 500/550", True),
    "ST-E": ("HiSeq X", True),
    "E": ("HiSeq X", True),
    "K": ("HiSeq 3000/4000", True),
    "J": ("HiSeq 3000/4000", True),
    "A": ("NovaSeq 6000", None),
    "M": ("MiSeq", False),
    "D": ("HiSeq 2500", False),
    "C": ("HiSeq 1500", False),
    "SN": ("HiSeq 2000", False),
}
"""By the beginning of an instrument's name: its model and whether it reads index 2 reversed; None where the reagents decide."""

_REVERSED_SBS_VERSION = "3"


@dataclass(frozen=True, slots=True)
class RunParameters:
    """What a RunParameters.xml tells; empty where it does not. `sbs_version` is 3 for NovaSeq 6000 reagents v1.5."""

    run: str
    instrument: str
    flowcell: str
    sbs_version: str


def read_run_parameters(path: Path) -> RunParameters:
    """The content of a RunParameters.xml. Raises BadInput where it is no such file."""
    root = read_xml(path, "RunParameters")

    def first(*names: str) -> str:
        for name in names:
            for element in root.iter(name):
                if element.text and element.text.strip():
                    return element.text.strip()
        return ""

    flowcell = first("FlowCellSerialBarcode", "Barcode")
    for consumable in root.iter("ConsumableInfo"):
        if consumable.findtext("Type") == "FlowCell":
            flowcell = (consumable.findtext("SerialNumber") or flowcell).strip()
    run = first("RunID", "RunId")
    return RunParameters(
        run, first("InstrumentSerialNumber", "InstrumentName", "ScannerID", "InstrumentID"), flowcell, first("SbsConsumableVersion")
    )


def reads_index2_reversed(instrument: str, parameters: RunParameters | None, path: Path) -> bool:
    """Whether this instrument takes index 2 from the other strand. Raises BadInput where it is not known."""
    begins = [begin for begin in READS_INDEX2_REVERSED if instrument.upper().startswith(begin)]
    model, is_reversed = READS_INDEX2_REVERSED[max(begins, key=len)] if begins else ("", None)
    if is_reversed is None and model and parameters is not None:
        return parameters.sbs_version == _REVERSED_SBS_VERSION
    if is_reversed is None:
        raise BadInput(
            f"instrument {instrument} {'with unknown reagents' if model else 'is not known'}",
            wanted="to know whether it takes index 2 from the other strand",
            do="Give the sheet's index 2 as it is read, and say --index2-orientation as-read.",
            path=path,
        )
    return is_reversed
