"""What predictors say of every possible variant: score tables as their makers publish them, one score a variant.

revel          CSV: chr, hg19_pos, grch38_pos, ref, alt, ..., REVEL
alphamissense  TSV: #CHROM, POS, REF, ALT, genome, ..., am_pathogenicity
cadd           TSV: #Chrom, Pos, Ref, Alt, ..., PHRED, below a line that names the assembly
spliceai       VCF, INFO/SpliceAI: ALLELE|SYMBOL|DS_AG|DS_AL|DS_DG|DS_DL|..., the highest of the four

Of a variant with several scores (one a transcript or a gene) the highest is kept. Such files have up to billions of rows, so they are read
in blocks of Arrow columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genopipe.errors import BadInput
from genopipe.formats.table_blocks import block_columns, table_blocks
from genopipe.interpret.evidence_sorted import PLACE, write_sorted
from genopipe.interpret.places import placed
from genopipe.model import Genome

SCORE = pa.schema(PLACE | {"score": pa.float64()})
_BUILDS = {"hg19": "GRCh37", "GRCh37": "GRCh37", "hg38": "GRCh38", "GRCh38": "GRCh38"}


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is written: the begin of its header line, its delimiter, and the names of five columns; position maybe by assembly."""

    header: str
    delimiter: str
    contig: str
    position: str | Mapping[str, str]
    ref: str
    alt: str
    score: str


FORMS = {
    "revel": Form("chr,", ",", "chr", {"GRCh37": "hg19_pos", "GRCh38": "grch38_pos"}, "ref", "alt", "REVEL"),
    "alphamissense": Form("#CHROM\t", "\t", "#CHROM", "POS", "REF", "ALT", "am_pathogenicity"),
    "cadd": Form("#Chrom\t", "\t", "#Chrom", "Pos", "Ref", "Alt", "PHRED"),
    "spliceai": Form("#CHROM\t", "\t", "#CHROM", "POS", "REF", "ALT", "INFO"),
}
KINDS = tuple(FORMS)


def write_scores(kind: str, source: Path, target: Path, *, assembly: str, genome: Genome | None) -> int:
    """Writes a score table as sorted Parquet and gives the number of variants.

    Raises BadInput for a table of another form or assembly, with the line for a damaged one, and, given the genome, for REF alleles that
    are not in it.
    """
    tables = (part for table in _tables(kind, source, assembly) for _, part in placed(table, genome=genome, path=source))
    return write_sorted(tables, target, SCORE, source=source, highest="score")


def _tables(kind: str, source: Path, assembly: str) -> Iterator[pa.Table]:
    """Tables of contig, position, ref, alt and score, as the file has them."""
    form = FORMS[kind]
    head, blocks = table_blocks(source, lambda line: line.startswith(form.header))
    names = head[-1].split(form.delimiter)
    wanted = _wanted(form, names, assembly, source, len(head))
    _check_build(" ".join(head[:-1]), assembly, source)
    told = [name for name in names if name == "genome"]
    for line, block in blocks:
        table = block_columns(block, names, [*wanted, *told], delimiter=form.delimiter, path=source, line=line)
        for name in told:
            _check_build(" ".join(map(str, table[name].unique().to_pylist())), assembly, source)
        table = pa.table([table[name].combine_chunks() for name in wanted], ["contig", "position", "ref", "alt", "score"])
        yield _numbered(_split(table) if kind == "spliceai" else table)


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
    info = pc.extract_regex(table["score"].combine_chunks(), "(?:^|;)SpliceAI=(?P<entries>[^;]*)")
    entries = pc.split_pattern(pc.struct_field(info, [0]), ",")
    score = "|".join(("", *(rf"(?P<s{i}>[^|]*)" for i in range(4)))).replace("|", r"\|")
    parts = pc.extract_regex(pc.list_flatten(entries), rf"^(?P<alt>[^|]*)\|[^|]*{score}")
    highest = pc.max_element_wise(*(_float(pc.struct_field(parts, [i])) for i in range(1, 5)))
    rows = table.select(["contig", "position", "ref"]).take(pc.list_parent_indices(entries))
    return rows.append_column("alt", pc.struct_field(parts, [0])).append_column("score", highest)


def _numbered(table: pa.Table) -> pa.Table:
    """Position from 0 and score as numbers; rows that lack one are left out."""
    score = table["score"] if pa.types.is_floating(table["score"].type) else _float(table["score"])
    table = table.set_column(4, "score", score)
    table = table.filter(pc.and_(pc.is_valid(score), pc.match_substring_regex(table["position"], "^[1-9][0-9]{0,9}$")))
    return table.set_column(1, "position", pc.subtract(pc.cast(table["position"], pa.int64()), 1))


def _float(text: Any) -> Any:
    """float64; null for what is no number."""
    known = pc.match_substring_regex(text, r"^[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?$")
    return pc.cast(pc.if_else(known, text, pa.scalar(None, pa.string())), pa.float64())
