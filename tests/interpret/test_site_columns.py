"""Evidence VCFs read by columns say what htslib says record by record.

Oracle: every record as pysam gives it, interpreted one by one; Python's own float.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pysam
import pysam.bcftools
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats import table_blocks
from genopipe.formats.bgzf import BgzfWriter
from genopipe.interpret import site_columns
from genopipe.interpret.evidence_variants import CLINVAR, FREQUENCY, significance, stars, write_clinvar, write_frequency
from genopipe.interpret.normalise import is_sequence, trim
from genopipe.interpret.site_columns import read_sites
from genopipe.kernels.site_text import read_numbers

SHARES = ("AF", "AF_popmax", "AF_grpmax", "AF_POPMAX", "AF_afr", "AF_NFE", "AF_asj", "AF_afr_XX")
COUNTS = ("AC", "AN", "nhomalt", "AC_Hom", "nhomalt_XX")
TEXTS = ("CLNSIG", "CLINICAL_SIGNIFICANCE", "CLNREVSTAT", "REVIEW_STATUS", "GENEINFO", "SYMBOL", "MEASURESET_ID", "CLNDN", "ALL_TRAITS")
HEADER = [
    "##fileformat=VCFv4.3",
    "##contig=<ID=1,length=1000>",
    "##contig=<ID=X,length=1000>",
    *(f'##INFO=<ID={key},Number={"1" if key == "AN" else "A"},Type=Integer,Description="x">' for key in COUNTS),
    *(f'##INFO=<ID={key},Number={"1" if key == "AF_NFE" else "A"},Type=Float,Description="x">' for key in SHARES),
    *(f'##INFO=<ID={key},Number=.,Type=String,Description="x">' for key in TEXTS),
    '##INFO=<ID=MUT,Number=1,Type=String,Description="x">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="x">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
]


def of_htslib(record: pysam.VariantRecord, key: str, number: int) -> Any:
    value = record.info.get(key)
    if isinstance(value, tuple):
        value = value[number] if number < len(value) else value[0]
    return value


def frequency_of(record: pysam.VariantRecord, number: int) -> dict[str, Any] | None:
    frequency = of_htslib(record, "AF", number)
    if frequency is None:
        count, total = of_htslib(record, "AC", number), of_htslib(record, "AN", number)
        if count is None or not total:
            return None
        frequency = count / total
    shares = [of_htslib(record, key, number) for key in SHARES[1:6]]
    homozygotes = [of_htslib(record, key, number) for key in ("nhomalt", "AC_Hom")]
    known = [value for value in homozygotes if value is not None]
    highest = max(value for value in (frequency, *shares) if value is not None)
    return {"af": frequency, "af_max": highest, "homozygotes": known[0] if known else None}


def clinvar_of(record: pysam.VariantRecord, number: int) -> dict[str, Any] | None:
    text = {key: ",".join(value) if isinstance(value, tuple) else value for key, value in record.info.items() if key != "DB"}
    told = text.get("CLNSIG") or text.get("CLINICAL_SIGNIFICANCE")
    if told is None or text.get("MUT") == "REF":
        return None
    return {
        "accession": text.get("MEASURESET_ID") or record.id or "",
        "significance": significance(told),
        "stars": stars(text.get("CLNREVSTAT") or text.get("REVIEW_STATUS", "").replace("..", ",_")),
        "conditions": (text.get("CLNDN") or text.get("ALL_TRAITS", "").replace("..", ",_")).replace("_", " "),
        "gene": text.get("GENEINFO", "").split(":")[0] or text.get("SYMBOL", ""),
    }


def expected(path: Path, describe: Any) -> list[dict[str, Any]]:
    rows: dict[tuple[str, int, str, str], dict[str, Any]] = {}
    with pysam.VariantFile(str(path)) as file:
        for record in file:
            for number, alt in enumerate(record.alts or ()):
                ref, alt = str(record.ref).upper(), alt.upper()
                described = describe(record, number)
                if described is not None and is_sequence(ref) and is_sequence(alt) and ref != alt:
                    rows.setdefault((record.contig, *trim(record.start, ref, alt)), described)
    names = ("contig", "position", "ref", "alt")
    return [dict(zip(names, place, strict=True)) | rows[place] for place in sorted(rows)]


def shortest(value: float) -> str:
    return repr(float(value))


SHARE = st.one_of(
    st.floats(0, 1).map(shortest),
    st.floats(0, 1, width=32).map(lambda value: f"{value:.5e}"),
    st.sampled_from([".", "0", "1", "1.00000e+00", "0.0", "5e-324", "1E-3", "+0.25", ".5", "1e-22", "0.30000000000000000001"]),
)
COUNT = st.one_of(st.integers(0, 99).map(str), st.just("."))


@st.composite
def frequency_infos(draw: st.DrawFn, n_alts: int) -> str:
    entries = []
    for key in draw(st.lists(st.sampled_from((*SHARES, *COUNTS)), unique=True)):
        n = draw(st.sampled_from([n_alts, n_alts, 1]))
        value = SHARE if key in SHARES else st.just("100") if key == "AN" else COUNT
        entries.append(f"{key}=" + ",".join(draw(value) for _ in range(1 if key in ("AN", "AF_NFE") else n)))
    return ";".join(draw(st.permutations([*entries, "DB"]))) or "."


WORDS = st.sampled_from(
    ["Pathogenic", "Benign/Likely_benign", "criteria_provided,_single_submitter", "A:1|B:2", "x..y_z", "%3Bpercent%25", "é"]
)


@st.composite
def clinvar_infos(draw: st.DrawFn, n_alts: int) -> str:
    del n_alts
    entries = [f"{key}={draw(WORDS)}" for key in draw(st.lists(st.sampled_from(TEXTS), unique=True))]
    return ";".join([*entries, *draw(st.lists(st.sampled_from(["MUT=REF", "MUT=ALT", "DB"]), max_size=1))]) or "."


ALLELES = st.sampled_from(["A,C", "A,G,T", "AC,A", "A,AT,<DEL>", "ACG,TCG,A", "A,*", "A,.", "at,a", "CAA,CA,C", "R,A", "A,C,G,T"])


@st.composite
def sites(draw: st.DrawFn, infos: Any) -> list[str]:
    lines = []
    for contig in ("1", "X"):
        for position in draw(st.lists(st.integers(1, 40), max_size=6)):
            ref, *alts = draw(ALLELES).split(",")
            info = draw(infos(len(alts)))
            lines.append(
                "\t".join([contig, str(position), draw(st.sampled_from([".", "rs1;rs2", "7"])), ref, ",".join(alts), ".", "PASS", info])
            )
    return lines


def written(folder: Path, lines: list[str], form: str, end: str = "\n") -> Path:
    text = end.join([*HEADER, *lines]) + end
    path = folder / f"sites.{form}"
    if form == "vcf.gz":
        with BgzfWriter(path) as file:
            file.write(text.encode())
        return path
    (folder / "plain.vcf").write_bytes(text.removesuffix("\n").encode())
    if form == "vcf":
        return folder / "plain.vcf"
    if form == "gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        pysam.bcftools.view("-Ob", "-o", str(path), str(folder / "plain.vcf"), catch_stdout=False)
    return path


@pytest.mark.parametrize("kind", ["frequency", "clinvar"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_columns_say_what_records_say(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject) -> None:
    """However the file is compressed, cut into blocks and batches, and whatever its line ends."""
    infos, schema = (frequency_infos, FREQUENCY) if kind == "frequency" else (clinvar_infos, CLINVAR)
    lines = data.draw(sites(infos))
    folder = tmp_path_factory.mktemp("sites")
    form, end = data.draw(st.sampled_from(["vcf", "vcf.gz", "gz", "bcf"])), data.draw(st.sampled_from(["\n", "\r\n"]))
    path = written(folder, lines, form, "\n" if form == "bcf" else end)
    rows = expected(written(folder, lines, "vcf"), frequency_of if kind == "frequency" else clinvar_of)
    path = written(folder, lines, form, end) if form != "bcf" else path
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_blocks, "BLOCK_BYTES", data.draw(st.sampled_from([1, 300, 1 << 20])))
        patch.setattr(site_columns, "_ROWS", data.draw(st.sampled_from([1, 2, 100])))
        write = write_frequency if kind == "frequency" else write_clinvar
        if not rows:
            with pytest.raises(BadInput, match="no record to keep"):
                write([path], folder / "table", assembly="x", genome=None)
            return
        write([path], folder / "table", assembly="x", genome=None)
    table = pq.read_table(folder / "table")
    assert table.schema.equals(schema)
    assert table.to_pylist() == rows


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"[-+]?([0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,20})([eE][-+]?[0-9]{1,3})?", fullmatch=True),
)


@settings(max_examples=400)
@given(st.lists(NUMBERS, min_size=1, max_size=5), st.integers(0, 4))
@example(["9007199254740993", "9007199254740992", "9007199254740991e22"], 2)
@example(["1e23", "8.5e-23", "0.1e-22"], 1)
def test_numbers_are_those_of_python_or_asked_for(texts: list[str], number: int) -> None:
    text = np.frombuffer(",".join(texts).encode(), np.uint8)
    out, asked = np.empty((1, 1)), np.empty((1, 1), np.bool_)
    read_numbers(text, np.array([[[0, len(text)]]]), np.zeros(1, np.int64), np.array([number]), out, asked)
    wanted = float(texts[number] if number < len(texts) else texts[0])
    assert asked[0, 0] or out[0, 0].tobytes() == np.float64(wanted).tobytes()


@pytest.mark.parametrize("text", ["1.5e-05", "0.00123", "4.51212e-03", "152312", "0", "1"])
def test_usual_numbers_are_read_at_once(text: str) -> None:
    letters = np.frombuffer(text.encode(), np.uint8)
    out, asked = np.empty((1, 1)), np.empty((1, 1), np.bool_)
    read_numbers(letters, np.array([[[0, len(text)]]]), np.zeros(1, np.int64), np.zeros(1, np.int64), out, asked)
    assert (out[0, 0], asked[0, 0]) == (float(text), False)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="1X\tACGT.,;=AFN-e+_\r\n", max_size=200), st.sampled_from([1, 64, 1 << 20]))
def test_whatever_stands_there_it_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str, size: int) -> None:
    """Rows are those of the lines as Python splits them."""
    path = tmp_path_factory.mktemp("fuzz") / "a.vcf"
    path.write_bytes(("\n".join(HEADER) + "\n" + text).encode())
    lines = text.rstrip("\r\n").split("\n") if text.rstrip("\r\n") else []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_blocks, "BLOCK_BYTES", size)
        try:
            found = [(s.line, s.places(), s.texts("AF")) for s in read_sites(path, ("AF", "AN"))]
        except BadInput as error:
            assert ":" in str(error)
            assert any(len(line.split("\t")) < 8 or not line.split("\t")[1].isdigit() or len(line.split("\t")[1]) > 9 for line in lines)
            return
    rows = list(_rows(lines))
    assert [
        (int(n), str(ref), str(alt)) for line, places, _ in found for n, ref, alt in zip(line, places["ref"], places["alt"], strict=True)
    ] == [(n, ref, alt) for n, ref, alt, _ in rows]
    assert [value for _, _, values in found for value in values.to_pylist()] == [value for *_, value in rows]


def _rows(lines: list[str]) -> Iterator[tuple[int, str, str, str | None]]:
    for number, line in enumerate(lines, len(HEADER) + 1):
        column = line.removesuffix("\r").split("\t")
        entries = (entry.split("=", 1) for entry in column[7].split(";") if "=" in entry)
        value = next((entry[1] for entry in entries if entry[0] == "AF"), None)
        for alt in column[4].split(",") if column[4] != "." else ():
            yield number, column[3], alt, value
