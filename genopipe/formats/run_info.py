"""`RunInfo.xml`: the run's id, flow cell and instrument, its reads in the order of sequencing, its lanes and tiles.

Source: Illumina bcl2fastq2 Conversion Software guide, document 15051736, "Run Info File"; versions 2 to 6 of the file are read. Version 6
says of each read whether the instrument takes it from the other strand (`IsReverseComplement`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers.expat import ExpatError, ParserCreate

from genopipe.errors import BadInput
from genopipe.formats.read_structure import RunRead

_GET_AGAIN = "Copy the file again from the instrument."
_MOST_CYCLES = 10_000


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What the instrument says about a run; `tiles` are (lane, tile), empty where the file does not list or count them."""

    run: str
    number: str
    flowcell: str
    instrument: str
    reads: tuple[RunRead, ...]
    lanes: int
    tiles: tuple[tuple[int, int], ...]


def read_xml(path: Path, root: str) -> ElementTree.Element:
    """The root element of an XML file of the instrument. Raises BadInput with the line where it is no XML, or has another root.

    Document types and entities are refused: instruments write none, and they can blow up a small file without end.
    """
    if not path.is_file():
        raise BadInput("there is no such file", wanted=f"the run's {root}", do="Copy it from the instrument's run folder.", path=path)
    content = path.read_bytes()
    parser = ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype(path)
    try:
        parser.Parse(content, True)
        element = ElementTree.fromstring(content)
    except (ExpatError, ElementTree.ParseError) as error:
        line = error.position[0] if isinstance(error, ElementTree.ParseError) else error.lineno
        raise BadInput(f"no XML ({error})", wanted=f"the run's {root}", do=_GET_AGAIN, path=path, line=line) from error
    if element.tag != root:
        raise BadInput(f"the root element is {element.tag}", wanted=root, do=_GET_AGAIN, path=path, line=1)
    return element


def _refuse_doctype(path: Path):  # type: ignore[no-untyped-def]
    def refuse(*_: object) -> None:
        raise BadInput("a document type declaration", wanted="XML as an instrument writes it", do=_GET_AGAIN, path=path)

    return refuse


def read_run_info(path: Path) -> RunInfo:
    """The content of a RunInfo.xml. Raises BadInput naming the element that is missing or no number."""
    run = _child(read_xml(path, "RunInfo"), "Run", path)
    layout = run.find("FlowcellLayout")
    return RunInfo(
        run=_attribute(run, "Id", path),
        number=_attribute(run, "Number", path),
        flowcell=_text(run, "Flowcell", path),
        instrument=_text(run, "Instrument", path),
        reads=_reads(_child(run, "Reads", path), path),
        lanes=0 if layout is None else _number(layout, "LaneCount", path),
        tiles=() if layout is None else _tiles(layout, path),
    )


def _reads(element: ElementTree.Element, path: Path) -> tuple[RunRead, ...]:
    reads = []
    for number, read in enumerate(element.findall("Read"), 1):
        if _number(read, "Number", path) != number:
            raise _bad(f"read {read.get('Number')!r} at place {number}", "reads numbered from 1 in order", path, "Reads")
        cycles = _number(read, "NumCycles", path)
        if not 0 <= cycles <= _MOST_CYCLES:
            raise _bad(f"{cycles} cycles of read {number}", f"at most {_MOST_CYCLES}", path, "NumCycles")
        is_index = read.get("IsIndexedRead", "N")
        reverse = read.get("IsReverseComplement")
        for key, value in (("IsIndexedRead", is_index), ("IsReverseComplement", reverse or "N")):
            if value not in ("Y", "N"):
                raise _bad(f"{value!r} of read {number}", "Y or N", path, key)
        if cycles:
            reads.append(RunRead(cycles, is_index == "Y", None if reverse is None else reverse == "Y"))
    if not reads:
        raise _bad("no read", "at least one", path, "Reads")
    return tuple(reads)


def _tiles(layout: ElementTree.Element, path: Path) -> tuple[tuple[int, int], ...]:
    listed = layout.findall("TileSet/Tiles/Tile")
    if listed:
        return tuple(_tile(tile.text or "", path) for tile in listed)
    names = ("LaneCount", "SurfaceCount", "SwathCount", "TileCount")
    lanes, surfaces, swaths, tiles = (_number(layout, name, path) if layout.get(name) else 0 for name in names)
    if max(lanes, surfaces, swaths) > 9 or tiles > 99:
        raise _bad(f"{lanes} lanes, {surfaces} surfaces, {swaths} swaths, {tiles} tiles", "at most 9, 9, 9 and 99", path, "FlowcellLayout")
    return tuple(
        (lane, surface * 1000 + swath * 100 + tile)
        for lane in range(1, lanes + 1)
        for surface in range(1, surfaces + 1)
        for swath in range(1, swaths + 1)
        for tile in range(1, tiles + 1)
    )


def _tile(text: str, path: Path) -> tuple[int, int]:
    lane, _, tile = text.strip().partition("_")
    if not (lane.isascii() and lane.isdigit() and tile.isascii() and tile.isdigit() and len(text) < 20):
        raise _bad(f"tile {text[:20]!r}", "lane and tile, such as 1_1101", path, "Tile")
    return int(lane), int(tile)


def _child(parent: ElementTree.Element, name: str, path: Path) -> ElementTree.Element:
    child = parent.find(name)
    if child is None:
        raise _bad("no such element", f"one in {parent.tag}", path, name)
    return child


def _text(parent: ElementTree.Element, name: str, path: Path) -> str:
    return _word(_child(parent, name, path).text or "", path, name)


def _attribute(element: ElementTree.Element, name: str, path: Path) -> str:
    return _word(element.get(name, ""), path, name)


def _word(text: str, path: Path, key: str) -> str:
    """A word that may stand in a read name."""
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text or ":" in text or len(text) > 100:
        raise _bad(f"{text[:100]!r}", "a word without blanks and colons", path, key)
    return text


def _number(element: ElementTree.Element, name: str, path: Path) -> int:
    text = element.get(name, "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _bad(f"{text[:20]!r}", "a number", path, name)
    return int(text)


def _bad(came: str, wanted: str, path: Path, key: str) -> BadInput:
    return BadInput(came, wanted=wanted, do=_GET_AGAIN, path=path, key=key)
