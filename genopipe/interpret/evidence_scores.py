"""What predictors say of every possible variant: score tables as their makers publish them, one score a variant.

revel          CSV: chr, hg19_pos, grch38_pos, ref, alt, ..., REVEL
alphamissense  TSV: #CHROM, POS, REF, ALT, genome, ..., am_pathogenicity
cadd           TSV: #Chrom, Pos, Ref, Alt, ..., PHRED, below a line that names the assembly
spliceai       VCF, INFO/SpliceAI: ALLELE|SYMBOL|DS_AG|DS_AL|DS_DG|DS_DL|..., the highest of the four

Of a variant with several scores (one a transcript or a gene) the highest is kept. Such files have up to billions of rows, so they are read
in blocks of Arrow columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from genopipe.errors import BadInput
from genopipe.formats.table_blocks import block_columns, text_blocks
from genopipe.interpret.evidence_sorted import PLACE, write_sorted
from genopipe.interpret.places import made_of, placed
from genopipe.model import Genome

pc: Any = compute

SCORE = pa.schema(PLACE | {"score": pa.float64()})
_SPLICEAI = "SpliceAI="
_NOTHING = ("", ".", "NA")
_DIGIT, _DECIMAL = (np.isin(np.arange(256), list(letters)) for letters in (b"0123456789", b"0123456789."))
_BUILDS = {"hg19": "GRCh37", "GRCh37": "GRCh37", "hg38": "GRCh38", "GRCh38": "GRCh38"}


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is written: the begin of its header line, its delimiter, and the names of five columns; position maybe by assembly.

    `highest` is the highest score there is.
    """

    header: str
    delimiter: str
    contig: str
    position: str | Mapping[str, str]
    ref: str
    alt: str
    score: str
    highest: float = 1.0


FORMS = {
    "revel": Form("chr,", ",", "chr", {"GRCh37": "hg19_pos", "GRCh38": "grch38_pos"}, "ref", "alt", "REVEL"),
    "alphamissense": Form("#CHROM\t", "\t", "#CHROM", "POS", "REF", "ALT", "am_pathogenicity"),
    "cadd": Form("#Chrom\t", "\t", "#Chrom", "Pos", "Ref", "Alt", "PHRED", 99.0),
    "spliceai": Form("#CHROM\t", "\t", "#CHROM", "POS", "REF", "ALT", "INFO"),
}
KINDS = tuple(FORMS)


def write_scores(kind: str, sources: Sequence[Path], target: Path, *, assembly: str, genome: Genome | None) -> int:
    """Writes score tables as one sorted Parquet and gives the number of variants.

    Raises BadInput for a table of another form or assembly, with the line for a damaged one, and, given the genome, for REF alleles that
    are not in it.
    """

    def read(source: Path) -> Iterator[pa.Table]:
        return (part for table in _tables(kind, source, assembly) for _, part in placed(table, genome=genome, path=source))

    return write_sorted(sources, read, target, SCORE, highest="score")


def _tables(kind: str, source: Path, assembly: str) -> Iterator[pa.Table]:
    """Tables of contig, position, ref, alt, score and line, as the file has them."""
    form = FORMS[kind]
    head, blocks = text_blocks(source, lambda line: line.startswith(form.header))
    names = head[-1].split(form.delimiter)
    wanted = _wanted(form, names, assembly, source, len(head))
    _check_build(" ".join(head[:-1]), assembly, source)
    told = [name for name in names if name == "genome"]
    line = len(head) + 1
    for block in blocks:
        table = block_columns(block, names, [*wanted, *told], delimiter=form.delimiter, path=source, line=line)
        for name in told:
            _check_build(" ".join(map(str, table[name].unique().to_pylist())), assembly, source)
        columns: Any = [*(table[name].combine_chunks() for name in wanted), np.arange(line, line + len(table))]
        line += len(table)
        table = pa.table(columns, ["contig", "position", "ref", "alt", "score", "line"])
        yield _numbered(_split(table) if kind == "spliceai" else table, form.highest, source)


def _wanted(form: Form, names: list[str], assembly: str, source: Path, line: int) -> list[str]:
    position = form.position if isinstance(form.position, str) else form.position.get(assembly, f"with positions on {assembly}")
    wanted = [form.contig, position, form.ref, form.alt, form.score]
    for name in wanted:
        if name not in names:
            came = f"columns {', '.join(names)}"
            raise BadInput(came, wanted=f"a column {name}", do="Check kind, file and --assembly.", path=source, line=line)
    return wanted


def _check_build(text: str, assembly: str, source: Path) -> None:
    """Raises BadInput where the table names another assembly than the one it is said to be on."""
    named = {build for name, build in _BUILDS.items() if name in text}
    if named and assembly in _BUILDS.values() and assembly not in named:
        came = f"a table on {' and '.join(sorted(named))}"
        raise BadInput(came, wanted=f"a table on {assembly}", do="Check file and --assembly.", path=source)


def _split(table: pa.Table) -> pa.Table:
    """The entries of INFO/SpliceAI, a row each, with the highest of the four scores."""
    info = table["score"].combine_chunks()
    alone = pc.and_(pc.starts_with(info, _SPLICEAI), pc.invert(pc.match_substring(info, ";")))
    if pc.all(alone).as_py():
        told = pc.utf8_slice_codeunits(info, len(_SPLICEAI))
    else:
        told = pc.struct_field(pc.extract_regex(info, f"(?:^|;){_SPLICEAI}(?P<entries>[^;]*)"), [0])
    entries = pc.split_pattern(pc.if_else(pc.equal(told, ""), None, told), ",")
    parts = pc.split_pattern(pc.list_flatten(entries), "|")
    first = parts.offsets.to_numpy()[:-1]
    whole = np.diff(parts.offsets.to_numpy()) >= 6
    each = pc.list_flatten(parts)
    highest = pc.max_element_wise(*(_float(each.take(pa.array(first + i, mask=~whole))) for i in range(2, 6)))
    rows = table.drop_columns(["alt", "score"]).take(pc.list_parent_indices(entries))
    return rows.append_column("alt", each.take(first)).append_column("score", highest)


def _numbered(table: pa.Table, highest: float, source: Path) -> pa.Table:
    """Position from 0 and score as numbers; rows that lack one are left out. Raises BadInput, with the line, for what cannot be one."""
    score = table["score"] if pa.types.is_floating(table["score"].type) else _float(table["score"].combine_chunks())
    position = pc.subtract(_whole(table["position"].combine_chunks()), 1)
    outside = pc.fill_null(pc.or_(pc.less(score, 0), pc.greater(score, highest)), False)
    _refuse(outside, table, "score", f"from 0 to {highest:g}", source)
    for name, number in (("position", position), ("score", score)):
        if number.null_count and pa.types.is_string(table[name].type):
            stray = pc.and_(pc.is_null(number), pc.invert(pc.is_in(table[name], pa.array(_NOTHING))))
            _refuse(stray, table, name, "a number", source)
    table = table.set_column(table.column_names.index("score"), "score", score)
    table = table.set_column(table.column_names.index("position"), "position", position)
    lacking = score.null_count or position.null_count
    return table.filter(pc.and_(pc.is_valid(score), pc.is_valid(position))) if lacking else table


def _refuse(wrong: Any, table: pa.Table, name: str, wanted: str, source: Path) -> None:
    if pc.any(wrong).as_py():
        row = pc.index(wrong, True).as_py()
        came, line = f"{name} {table[name][row].as_py()!r}", table["line"][row].as_py()
        raise BadInput(came, wanted=wanted, do="Correct this line.", path=source, line=line)


def _whole(text: Any) -> Any:
    """int64; null for what is no number from 1."""
    if not made_of(text, _DIGIT):
        text = pc.if_else(pc.match_substring_regex(text, "^[0-9]+$"), text, None)
    number = pc.cast(pc.if_else(pc.less(pc.utf8_length(text), 10), text, None), pa.int64())
    return pc.if_else(pc.greater(number, 0), number, None)


def _float(text: Any) -> Any:
    """float64; null for what is no number."""
    if made_of(text, _DECIMAL):
        with suppress(pa.ArrowInvalid):
            return pc.cast(text, pa.float64())
    known = pc.match_substring_regex(text, r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$")
    return pc.cast(pc.if_else(known, text, None), pa.float64())
