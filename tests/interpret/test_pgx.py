"""Named alleles, their phenotypes and MT-RNR1, against published answers and a matcher that enumerates haplotypes."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pysam
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.cli.pgx import pgx
from genopipe.errors import BadInput
from genopipe.interpret.pgx.definitions import GeneDefinition, NamedAllele, Position, read_definitions
from genopipe.interpret.pgx.genotypes import Call, read_genotypes
from genopipe.interpret.pgx.guidance import Answer, plain, read_guidance
from genopipe.interpret.pgx.lowest_function import GENES as WORST_COUNTS
from genopipe.interpret.pgx.lowest_function import Worst, match_worst
from genopipe.interpret.pgx.matching import match, see
from genopipe.interpret.pgx.outside_calls import read_outside_calls
from genopipe.interpret.pgx.phenotypes import read_phenotypes
from genopipe.interpret.pgx.report import aminoglycosides
from genopipe.interpret.pgx.run import pharmacogenomics
from genopipe.interpret.ranking import interpret
from genopipe.interpret.report import report
from genopipe.interpret.results import findings_document
from tests.interpret.conftest import Setting
from tests.interpret.test_interpret import case_file, request


def oracle_diplotypes(names: dict[str, list[set[int] | None]], reference: str, calls: Sequence[tuple[int, int]]) -> set[tuple[str, str]]:
    """PharmCAT's description word for word: permute the unphased genotypes into strands, look each up, keep the best sum of scores."""

    def known(strand: Sequence[int]) -> Iterator[str]:
        for name, wanted in names.items():
            if all(allele in (want or {0}) for allele, want in zip(strand, wanted, strict=True)):
                yield name

    def points(name: str) -> int:
        return len(names[name]) if name == reference else sum(want is not None for want in names[name])

    found: dict[tuple[str, str], int] = {}
    for turns in itertools.product((False, True), repeat=len(calls)):
        one = [call[turn] for call, turn in zip(calls, turns, strict=True)]
        other = [call[not turn] for call, turn in zip(calls, turns, strict=True)]
        for a, b in itertools.product(known(one), known(other)):
            found[(min(a, b), max(a, b))] = points(a) + points(b)
    return {pair for pair, score in found.items() if score == max(found.values())}


def place(number: int, alts: str = "CT") -> Position:
    return Position("chr1", 100 + 10 * number, ("A", *alts), None)


@st.composite
def genes(draw: st.DrawFn) -> tuple[dict[str, list[set[int] | None]], list[tuple[int, int]]]:
    n = draw(st.integers(1, 4))
    wants = st.one_of(st.none(), st.sets(st.integers(0, 2), min_size=1, max_size=2))
    names: dict[str, list[set[int] | None]] = {"*1": [{0}] * n}
    for number in range(2, 2 + draw(st.integers(0, 5))):
        wanted = draw(st.lists(wants, min_size=n, max_size=n))
        if any(wanted):
            names[f"*{number}"] = wanted
    return names, draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=n, max_size=n))


def definition_of(names: dict[str, list[set[int] | None]], positions: Sequence[Position], gene: str = "GENE") -> GeneDefinition:
    alleles = [
        NamedAllele(name, name == "*1", tuple(frozenset(want) if want is not None else None for want in wanted))
        for name, wanted in names.items()
    ]
    return GeneDefinition(gene, "1", tuple(positions), tuple(alleles), frozenset(), {}, {})


@settings(max_examples=300)
@given(genes())
def test_diplotypes_are_those_of_enumerated_strands(case: tuple[dict[str, list[set[int] | None]], list[tuple[int, int]]]) -> None:
    names, calls = case
    positions = [place(number) for number in range(len(calls))]
    found = match(see(definition_of(names, positions), {p: Call(c, None) for p, c in zip(positions, calls, strict=True)}))
    assert {(min(pair), max(pair)) for pair in found.diplotypes} == oracle_diplotypes(names, "*1", calls)


def test_phased_copies_are_named_as_they_are() -> None:
    names: dict[str, list[set[int] | None]] = {"*1": [{0}, {0}], "*2": [{1}, None], "*3": [None, {1}], "*4": [{1}, {1}]}
    positions = [place(0), place(1)]

    def named(block: str | None, second: tuple[int, int]) -> tuple[tuple[str, ...], ...]:
        calls = {positions[0]: Call((0, 1), block), positions[1]: Call(second, block)}
        return match(see(definition_of(names, positions), calls)).diplotypes

    assert named("7", (0, 1)) == (("*1", "*4"),)
    assert named("7", (1, 0)) == (("*2", "*3"),)
    assert named(None, (1, 0)) == (("*1", "*4"),)  # unphased: 2 + 2 points against 1 + 1


def test_one_copy_gives_one_name() -> None:
    positions = [place(0)]
    definition = definition_of({"*1": [{0}], "*2": [{1}]}, positions)
    assert match(see(definition, {positions[0]: Call((1,), ".")})).diplotypes == (("*2",),)


def test_a_missing_position_hides_the_names_that_need_it() -> None:
    positions = [place(0), place(1)]
    found = match(see(definition_of({"*1": [{0}, {0}], "*2": [{1}, None]}, positions), {positions[1]: Call((0, 0), ".")}))
    assert (found.diplotypes, found.not_excluded, found.missing) == ((("*1", "*1"),), ("*2",), (positions[0],))


@pytest.mark.parametrize("gene, diplotypes", [("CYP2C9", ()), ("TPMT", (("*1", "*1"),))])
def test_an_undocumented_allele_stops_the_call_or_counts_as_reference(gene: str, diplotypes: tuple[tuple[str, str], ...]) -> None:
    found = match(see(definition_of({"*1": [{0}]}, [place(0)], gene), {place(0): Call((0, -1), None)}))
    assert found.diplotypes == diplotypes
    assert "undocumented" in found.notes[0]


HEAD = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=g>\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=q>\n"
HEAD += "##FORMAT=<ID=AF,Number=A,Type=Float,Description=f>\n##INFO=<ID=END,Number=1,Type=Integer,Description=e>\n"
HEAD += "##FILTER=<ID=Low,Description=l>\n##contig=<ID=chr1>\n##contig=<ID=chrM,length=16569>\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"


def vcf(folder: Path, *records: str, head: str = HEAD, columns: str = COLUMNS) -> Path:
    path = folder / "in.vcf"
    path.write_text(head + columns + "".join("\t".join(record.split()) + "\n" for record in records))
    return path


SNV = Position("chr1", 99, ("A", "G"), None)
REPEAT = Position("chr1", 199, ("CAT", "C", "CATAT"), None)


@pytest.mark.parametrize(
    "records, expected",
    [
        (["chr1 100 . A G . PASS . GT 0/1"], (0, 1)),
        (["1 100 . A G . PASS . GT 1|0"], (1, 0)),
        (["chr1 100 . A . . PASS . GT 0/0"], (0, 0)),
        (["chr1 90 . T <NON_REF> . . END=120 GT:GQ 0/0:60"], (0, 0)),
        (["chr1 99 . TA CG . PASS . GT 0/1"], (0, 1)),
        (["chr1 100 . A T . PASS . GT 0/1"], (0, -1)),
        (["chr1 99 . TA T . PASS . GT 0/1"], (0, -1)),
        (["chr1 100 . A G,* . PASS . GT 1/2"], (1, -1)),
        (["chr1 100 . A G . PASS . GT 1"], (1,)),
        (["chr1 100 . A G . PASS . GT ./."], "no genotype"),
        (["chr1 100 . A G . Low . GT 0/1"], "filtered (Low)"),
        (["chr1 100 . A G . PASS . GT:GQ 0/1:19"], "genotype quality below 20"),
        (["chr1 300 . A G . PASS . GT 0/1"], "not in the file"),
        (["chr1 100 . A G . PASS . GT 0/1", "chr1 100 . AT A . Low . GT 0/0"], (0, 1)),
        (["chr1 100 . A G . Low . GT 0/1", "chr1 90 . T <NON_REF> . . END=120 GT:GQ 0/0:60"], "filtered (Low)"),
    ],
)
def test_what_a_record_says_of_a_base(tmp_path: Path, records: list[str], expected: tuple[int, ...] | str) -> None:
    told = read_genotypes(vcf(tmp_path, *records, head=HEAD + "##contig=<ID=1>\n"), [SNV])
    assert (told.call[SNV].alleles if SNV in told.call else told.missing[SNV]) == expected


@pytest.mark.parametrize(
    "records, expected",
    [
        (["chr1 200 . CAT C . PASS . GT 0/1"], (0, 1)),
        (["chr1 200 . C CAT . PASS . GT 0/1"], (0, 2)),
        (["chr1 200 . CAT C,CATAT . PASS . GT 1/2"], (1, 2)),
        (["chr1 200 . CATAT C . PASS . GT 0/1"], (0, -1)),
        (["chr1 150 . T <NON_REF> . . END=202 GT:GQ 0/0:60"], (0, 0)),
        (["chr1 150 . T <NON_REF> . . END=201 GT:GQ 0/0:60"], "not wholly in the file"),
        (["chr1 200 . C T . PASS . GT 0/1", "chr1 201 . A <NON_REF> . . END=250 GT:GQ 0/0:60"], (0, 0)),
        (["chr1 200 . CAT C . PASS . GT 0/1", "chr1 200 . C CAT . PASS . GT 0/1"], (2, 1)),
    ],
)
def test_what_records_say_of_a_repeat(tmp_path: Path, records: list[str], expected: tuple[int, ...] | str) -> None:
    told = read_genotypes(vcf(tmp_path, *records), [REPEAT])
    assert (told.call[REPEAT].alleles if REPEAT in told.call else told.missing[REPEAT]) == expected


def test_an_indexed_file_says_the_same(tmp_path: Path) -> None:
    far = Position("chr1", 5_000_000, ("A", "G"), None)
    path = vcf(
        tmp_path, "chr1 90 . T <NON_REF> . . END=120 GT:GQ 0/0:60", "chr1 200 . CAT C . PASS . GT 0/1", "chr1 5000001 . A G . . . GT 1/1"
    )
    plain = read_genotypes(path, [SNV, REPEAT, far])
    indexed = pysam.tabix_index(str(path), preset="vcf", force=True, keep_original=True)
    assert read_genotypes(Path(indexed), [SNV, REPEAT, far]) == plain
    assert [plain.call[place].alleles for place in (SNV, REPEAT, far)] == [(0, 0), (0, 1), (1, 1)]


def test_phase_sets_are_kept_apart(tmp_path: Path) -> None:
    head = HEAD + "##FORMAT=<ID=PS,Number=1,Type=Integer,Description=p>\n"
    other = Position("chr1", 109, ("A", "G"), None)
    records = ["chr1 100 . A G . PASS . GT:PS 0|1:100", "chr1 110 . A G . PASS . GT:PS 0|1:110"]
    told = read_genotypes(vcf(tmp_path, *records, head=head), [SNV, other])
    assert (told.call[SNV].block, told.call[other].block) == ("100", "110")


@pytest.mark.parametrize(
    "head, columns, sample, fault",
    [
        (HEAD, COLUMNS, "S2", "no sample S2"),
        (HEAD, COLUMNS.replace("S1", "S1\tS2"), None, "2 samples"),
        (HEAD.replace("FORMAT=<ID=GT", "FORMAT=<ID=GX"), COLUMNS, None, "no genotypes"),
        (HEAD.replace("ID=chr1>", "ID=chr1,length=249250621>"), COLUMNS, None, "contig lengths of GRCh37"),
    ],
)
def test_a_file_that_cannot_answer_is_refused(tmp_path: Path, head: str, columns: str, sample: str | None, fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        read_genotypes(vcf(tmp_path, head=head, columns=columns), [SNV], sample)


def test_another_reference_base_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"REF T at chr1:100; wanted A, as in the definitions"):
        read_genotypes(vcf(tmp_path, "chr1 100 . T G . PASS . GT 0/1"), [SNV])


@settings(max_examples=60)
@given(st.text(alphabet="CYP2D6\t*1/ \n#.", max_size=60))
def test_outside_calls_are_read_or_refused_with_their_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("outside") / "calls.tsv"
    path.write_text(text)
    try:
        calls = read_outside_calls(path)
    except BadInput as error:
        assert error.line
    else:
        assert all(call.gene == gene for gene, call in calls.items())


def write_definitions(folder: Path, **changes: object) -> Path:
    """A release of one gene, two positions, three names, in the form of PharmCAT's tables."""
    variants = [{"chromosome": "chr1", "position": p, "rsid": None, "ref": "A", "alts": ["G"]} for p in (100, 110)]
    rows = {"*1": ["A", "A"], "*2": ["G", None], "*3": ["R", "G"]}
    names = [{"name": name, "reference": name == "*1", "alleles": alleles} for name, alleles in rows.items()]
    table = {"gene": "GENE", "version": "1", "genomeBuild": "GRCh38.p14", "variants": variants, "namedAlleles": names} | changes
    pairs = {"*1/*1": ({"*1": 2}, "Normal", "2.0"), "*1/*2": ({"*1": 1, "*2": 1}, "Reduced", "1.0"), "*2/*2": ({"*2": 2}, "n/a", "n/a")}
    rows_of_pairs = [
        {"diplotype": label, "diplotypekey": key, "phenotype": phenotype, "generesult": phenotype, "activityScore": score}
        for label, (key, phenotype, score) in pairs.items()
    ]
    functions = [{"name": name, "functionValue": "some"} for name in rows]
    phenotypes = {
        "gene": "GENE",
        "version": "1",
        "haplotypes": {},
        "activityValues": {},
        "diplotypes": rows_of_pairs,
        "namedAlleles": functions,
    }
    folder.mkdir(exist_ok=True)
    (folder / "GENE_translation.json").write_text(json.dumps(table))
    (folder / "GENE.json").write_text(json.dumps(phenotypes))
    return folder


def test_the_command_writes_json_and_a_page(tmp_path: Path) -> None:
    variants = vcf(tmp_path, "chr1 100 . A G . . . GT 0/1", "chr1 110 . A . . . . GT 0/0", "chrM 1555 . A G . . . GT:AF 1:0.4")
    arguments = ["--variants", variants, "--definitions", write_definitions(tmp_path / "release"), "-o", tmp_path / "out"]
    done = CliRunner().invoke(pgx, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads((tmp_path / "out" / "pgx.json").read_text())
    assert {key: told["GENE"][key] for key in ("diplotypes", "phenotype", "activity_score", "missing")} == {
        "diplotypes": ["*1/*2"],
        "phenotype": "Reduced",
        "activity_score": 1.0,
        "missing": [],
    }
    assert told["MT-RNR1"]["diplotypes"] == ["m.1555A>G"] and told["MT-RNR1"]["share"] == {"m.1555A>G": pytest.approx(0.4)}
    page = (tmp_path / "out" / "pgx.html").read_text()
    assert "m.1555A&gt;G in 40 % of copies" in page and page.index("Aminoglycosides") < page.index("<h2>Genes</h2>")
    assert "http" not in page


def test_unseen_mitochondria_are_no_negative_result(tmp_path: Path) -> None:
    variants = vcf(tmp_path, "chr1 100 . A G . . . GT 0/1")
    told = pharmacogenomics(variants, write_definitions(tmp_path / "release"), tmp_path / "out")["MT-RNR1"]
    assert told.labels == [] and len(told.missing) == 3
    assert "That is no negative result" in (tmp_path / "out" / "pgx.html").read_text()


def test_the_mitochondrion_of_hg19_is_not_looked_at(tmp_path: Path) -> None:
    variants = vcf(tmp_path, "chr1 100 . A G . . . GT 0/1", "chrM 1555 . A G . . . GT 1", head=HEAD.replace("16569", "16571"))
    told = pharmacogenomics(variants, write_definitions(tmp_path / "release"), tmp_path / "out")["MT-RNR1"]
    assert told.labels == [] and "not the revised Cambridge sequence" in told.notes[0]


def test_an_outside_call_is_taken_and_a_contradiction_told(tmp_path: Path) -> None:
    variants = vcf(tmp_path, "chr1 100 . A G . . . GT 0/1", "chr1 110 . A . . . . GT 0/0")
    calls = tmp_path / "outside.tsv"
    calls.write_text("# by another program\nGENE\t*2/*2\tPoor\nCYP2D6\tCYP2D6*1.001/CYP2D6*4\nMT-RNR1\t1555A>G\n")
    told = pharmacogenomics(variants, write_definitions(tmp_path / "release"), tmp_path / "out", outside_calls=calls)
    assert (told["GENE"].labels, told["GENE"].phenotypes) == (["*2/*2"], ["Poor"])
    assert told["GENE"].notes == ["the variants say *1/*2; the outside call is taken"]
    assert told["CYP2D6"].labels == ["*1/*4"]
    assert told["MT-RNR1"].warning is not None


def test_variants_that_say_nothing_of_any_position_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="none of the definitions' positions"):
        pharmacogenomics(vcf(tmp_path, "chr1 5 . A G . . . GT 0/1"), write_definitions(tmp_path / "release"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({"genomeBuild": "GRCh37"}, "positions of GRCh37"),
        ({"variants": []}, "a gene without positions or names"),
        ({"variants": [{}]}, "unlike a definition table"),
        ({"namedAlleles": [{"name": "*1", "reference": True, "alleles": ["T", "A"]}]}, "allele 'T' at chr1-100-A"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, object], fault: str) -> None:
    with pytest.raises(BadInput, match=fault):
        read_definitions(write_definitions(tmp_path / "release", **changes))


def test_damaged_and_absent_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no definition tables"):
        read_definitions(tmp_path)
    release = write_definitions(tmp_path / "release")
    (release / "GENE.json").write_text('{"gene": "GENE"}')
    with pytest.raises(BadInput, match="no 'haplotypes'"):
        read_phenotypes(release)
    (release / "GENE_translation.json").write_text('{\n"gene": ')
    with pytest.raises(BadInput, match=r"GENE_translation\.json:2: no JSON"):
        read_definitions(release)


def test_published_answers(data: Path) -> None:
    release = data / "pgx"
    genes = read_definitions(release)
    with open(release / "expected.tsv") as table:
        rows = [row for row in csv.reader(table, delimiter="\t") if row and not row[0].startswith("#") and row[0] != "file"]
    for file, gene, answer in rows:
        calls = read_genotypes(release / "pharmcat_test" / "haplotype" / file, genes[gene].positions)
        found = match(see(genes[gene], calls.call))
        assert {"/".join(pair) for pair in found.diplotypes} == set(answer.split("; ")), file
    assert len(rows) == 23


def test_published_reports(data: Path, tmp_path: Path) -> None:
    """Diplotype, phenotype and activity score of PharmCAT's own example reports, for every gene whose table is at hand."""
    examples = data / "pgx" / "pharmcat_examples"
    compared = 0
    for number in ("", "2"):
        told = pharmacogenomics(examples / f"pharmcat.example{number}.vcf", data / "pgx", tmp_path / f"out{number}")
        with open(examples / f"pharmcat.example{number}.report.tsv") as table:
            next(table)
            for row in csv.DictReader(table, delimiter="\t"):
                mine = told[row["Gene"]].document()
                if row["Outside Call"] == "no":
                    assert mine["diplotypes"] == [row["Source Diplotype"]]
                    if mine["phenotype"] is not None:
                        assert mine["phenotype"] == row["Phenotype"]
                        assert mine["activity_score"] == (float(row["Activity Score"]) if row["Activity Score"] else None)
                        compared += 1
    assert compared > 25


def guidance_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """A table of guidance out of the notes of a report, each with a twin that asks for something else and must not be told."""
    packages = []
    for drugs in report["drugs"].values():
        for name, drug in drugs.items():
            for guideline in drug["guidelines"]:
                notes = [(key, one) for one in guideline["annotations"] for key in one["lookupKey"]]
                notes += [
                    ({gene: "another"} | {other: value for other, value in key.items() if other != gene}, one)
                    for key, one in notes
                    for gene in [next(iter(key))]
                ]
                head = {"source": guideline["source"], "url": guideline["url"], "relatedChemicals": [{"name": name}]}
                rows = [
                    {
                        "lookupKey": key,
                        "text": {"html": one["drugRecommendation"] + ("" if key in one["lookupKey"] else " TWIN")},
                        "implications": one["implications"],
                        "classification": {"term": one["classification"]},
                        "population": one["population"],
                    }
                    for key, one in notes
                ]
                packages.append({"guideline": head, "recommendations": rows})
    return {"version": "1", "guidelines": packages}


def test_drug_notes_are_those_of_the_published_reports(data: Path, tmp_path: Path) -> None:
    """Of the example reports, for every note whose genes have a table and were named; none of another phenotype."""
    examples = data / "pgx" / "pharmcat_examples"
    release = tmp_path / "release"
    shutil.copytree(data / "pgx" / "pharmcat_definition", release / "definition")
    shutil.copytree(data / "pgx" / "pharmcat_phenotype", release / "phenotype")
    report = json.loads((examples / "pharmcat.example.report.json").read_text())
    (release / "prescribing_guidance.json").write_text(json.dumps(guidance_of(report)))
    outside = tmp_path / "outside.tsv"
    outside.write_text("HLA-B\t*15:02/*57:01\n")
    told = pharmacogenomics(examples / "pharmcat.example.vcf", release, tmp_path / "out", outside_calls=outside)
    found = {(note.drug, note.source, note.text) for result in told.values() for note in result.drugs}
    assert not any(text.endswith("TWIN") for _, _, text in found)
    at_hand = {gene for gene, result in told.items() if any(result.keys) or gene == "HLA-B"}
    expected = {
        (name, guideline["source"], plain(one["drugRecommendation"]))
        for drugs in report["drugs"].values()
        for name, drug in drugs.items()
        for guideline in drug["guidelines"]
        for one in guideline["annotations"]
        if any(set(key) <= at_hand for key in one["lookupKey"])
    }
    assert len(expected) > 50
    assert expected <= found
    page = (tmp_path / "out" / "pgx.html").read_text()
    assert "<h2>Drugs</h2>" in page
    assert "abacavir" in page


@pytest.mark.parametrize(
    "text", ["[]", '{"guidelines": [1]}', '{"guidelines": [{"guideline": {"relatedChemicals": [{}]}, "recommendations": [{}]}]}']
)
def test_damaged_guidance_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prescribing_guidance.json").write_text(text)
    with pytest.raises(BadInput, match=r"prescribing_guidance\.json"):
        read_guidance(tmp_path)


def test_tied_diplotypes_that_answer_differently_get_no_note() -> None:
    answer = Answer((("*1", "*2"), ("*3", "*4")), (frozenset({"Normal"}), frozenset({"Poor"})))
    assert not answer.meets("Normal")
    assert Answer((("*1", "*2"),), (frozenset({"Normal"}),)).meets("Normal")
    assert Answer((("*1", "*1"),), (frozenset(),)).meets({"*1": 2})
    assert not Answer((("*1", "*2"),), (frozenset(),)).meets({"*1": 2})
    assert Answer((("*15:02", "*57:01"),), (frozenset(),)).meets("*58:01 negative")
    assert not Answer((), ()).meets("*58:01 negative")


def test_a_published_sample_with_many_gaps(data: Path, tmp_path: Path) -> None:
    """PharmCAT's own matches for a sample whose file says little; it names no pair for unphased DPYD, only the two variants."""
    folder = data / "pgx" / "pharmcat_test"
    told = pharmacogenomics(folder / "Sample_1.preprocessed.vcf", data / "pgx", tmp_path / "out")
    for result in json.loads((folder / "Sample_1.match.json").read_text())["results"]:
        names = [diplotype["name"] for diplotype in result["diplotypes"]]
        if result["gene"] == "DPYD":
            names = ["/".join(sorted((match["name"] for match in result["haplotypeMatches"]), reverse=True))]
        assert sorted(told[result["gene"]].labels) == sorted(names), result["gene"]


@pytest.fixture(scope="module")
def every_gene(data: Path) -> dict[str, GeneDefinition]:
    return read_definitions(data / "pgx")


def test_every_defined_pair_is_called_back(every_gene: dict[str, GeneDefinition]) -> None:
    """The genotypes that two names spell are explained by those two names, or by others that score no less."""
    for gene, definition in every_gene.items():
        names = definition.alleles[:: max(len(definition.alleles) // 8, 1)]
        for one, other in itertools.combinations_with_replacement(names, 2):
            calls = {position: Call((_first(one, i), _first(other, i)), "1") for i, position in enumerate(definition.positions)}
            found = match(see(definition, calls))
            core = tuple(definition.core_name.get(name.name, name.name) for name in (one, other))
            assert found.diplotypes, (gene, core)
            if set(core) not in [set(pair) for pair in found.diplotypes]:
                assert _same_strand(definition, one) or _same_strand(definition, other), (gene, core, found.diplotypes)


def test_named_alleles_of_every_gene_are_called_back_from_a_vcf(every_gene: dict[str, GeneDefinition], tmp_path: Path) -> None:
    """Up to 12 names of each gene, beside a reference copy, as records of a phased VCF: repeats, deletions and changes of two bases too."""
    named = {gene: definition for gene, definition in every_gene.items() if gene != "CYP2D6"}
    chosen = {gene: definition.alleles[:: -(-len(definition.alleles) // 12)] for gene, definition in named.items()}
    for number in range(12):
        names = {gene: alleles[number] for gene, alleles in chosen.items() if number < len(alleles)}
        carried = {position: _first(name, i) for gene, name in names.items() for i, position in enumerate(named[gene].positions)}
        called = read_genotypes(phased_vcf(tmp_path, carried), list(carried))
        for gene, name in names.items():
            seen = see(named[gene], called.call)
            found = match_worst(seen, lambda _: 0.0).match if gene in WORST_COUNTS else match(seen)
            core = named[gene].core_name.get(name.name, name.name)
            assert any(core in label for pair in found.diplotypes for label in pair), (gene, name.name, found.diplotypes)
            assert not found.missing


def phased_vcf(folder: Path, carried: Mapping[Position, int]) -> Path:
    """A record for each position, the allele given on the second copy."""
    lines = [
        "\t".join(
            (place.contig, str(place.start + 1), ".", place.alleles[0], ",".join(place.alleles[1:]), ".", "PASS", ".", "GT", f"0|{allele}")
        )
        for place, allele in sorted(carried.items(), key=lambda item: (item[0].contig, item[0].start))
    ]
    contigs = "".join(f"##contig=<ID={name}>\n" for name in sorted({place.contig for place in carried}))
    path = folder / "in.vcf"
    path.write_text(
        "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=g>\n" + contigs + COLUMNS + "\n".join(lines) + "\n"
    )
    return path


TWO_BASES = Position("chr1", 99, ("TC", "CT"), None)


@pytest.mark.parametrize(
    "records, expected",
    [
        (["chr1 100 . TC CT . PASS . GT 0|1"], (0, 1)),
        (["chr1 100 . T C . PASS . GT 0|1", "chr1 101 . C T . PASS . GT 0|1"], (0, 1)),
        (["chr1 100 . T C . PASS . GT 0/1", "chr1 101 . C T . PASS . GT 0/1"], (0, 1)),
        (["chr1 100 . T C . PASS . GT 1/1", "chr1 101 . C T . PASS . GT 0/1"], (-1, 1)),
        (["chr1 100 . T C . PASS . GT 0|1", "chr1 101 . C T . PASS . GT 1|0"], (-1, -1)),
        (["chr1 100 . T . . PASS . GT 0/0", "chr1 101 . C T . PASS . GT 0/1"], (0, -1)),
        (["chr1 100 . T . . PASS . GT 0/0", "chr1 101 . C . . PASS . GT 0/0"], (0, 0)),
        (["chr1 100 . T C . PASS . GT 0/1"], (0, -1)),
    ],
)
def test_an_allele_of_two_bases_may_be_written_as_one_record_or_two(tmp_path: Path, records: list[str], expected: tuple[int, ...]) -> None:
    told = read_genotypes(vcf(tmp_path, *records), [TWO_BASES])
    assert (told.call[TWO_BASES].alleles if TWO_BASES in told.call else told.missing[TWO_BASES]) == expected


def _first(name: NamedAllele, position: int) -> int:
    return min(name.wanted[position] or {0})


def _same_strand(definition: GeneDefinition, name: NamedAllele) -> bool:
    """Whether another name, that defines more, has the same strand."""
    strand = [_first(name, i) for i in range(len(definition.positions))]
    return any(other is not name and all(strand[i] in (want or {0}) for i, want in enumerate(other.wanted)) for other in definition.alleles)


HAPB3 = "c.1129-5923C>G, c.1236G>A (HapB3)"
COLUMN = {"rs56038477": 0, "rs75017182": 1, "rs72549310": 2, "rs67376798": 3, "rs1801265": 4, "rs186169810": 5, "rs115232898": 6}


def dpyd_cases(data: Path) -> list[list[str]]:
    with open(data / "pgx" / "pharmcat_test" / "haplotype" / "DPYD" / "hapb3.tsv") as table:
        return [row for row in list(csv.reader(table, delimiter="\t"))[2:] if row and "/" in row[7]]


def strands(label: str) -> list[list[str]]:
    """The names on each copy of a label of the table, in a fixed order."""
    return sorted(sorted(_full_name(name) for name in strand.strip("[]").split("+")) for strand in label.split("/"))


def _full_name(name: str) -> str:
    return {"ref": "Reference", "HapB3": HAPB3, "HapB3Intron": "c.1129-5923C>G"}.get(name, name)


@pytest.fixture(scope="module")
def dpyd(data: Path, every_gene: dict[str, GeneDefinition]) -> Callable[[Sequence[str], str | None], Worst]:
    """What is told of the genotypes of a row, in one phase set or unphased."""
    definition = every_gene["DPYD"]
    activity = read_phenotypes(data / "pgx" / "pharmcat_phenotype")["DPYD"].activity
    by_rsid = {position.rsid: position for position in definition.positions}

    def told(row: Sequence[str], block: str | None) -> Worst:
        calls = {position: Call((0, 0), ".") for position in definition.positions}
        for rsid, column in COLUMN.items():
            if row[column] == "missing":
                del calls[by_rsid[rsid]]
            else:
                calls[by_rsid[rsid]] = Call((int(row[column][0]), int(row[column][2])), block)
        return match_worst(see(definition, calls), lambda name: activity.get(name, 9.0))

    return told


def test_phased_dpyd_of_the_published_hapb3_table(data: Path, dpyd: Callable[[Sequence[str], str | None], Worst]) -> None:
    rows = [row for row in dpyd_cases(data) if not row[11]]
    for row in rows:
        (label,) = dpyd(row, "1").match.diplotypes
        assert sorted(sorted(name.strip("[]").split(" + ")) for name in label) == strands(row[7]), row
    assert len(rows) > 60


def test_unphased_dpyd_of_the_published_hapb3_table(data: Path, dpyd: Callable[[Sequence[str], str | None], Worst]) -> None:
    activity = read_phenotypes(data / "pgx" / "pharmcat_phenotype")["DPYD"].activity
    rows = [row for row in dpyd_cases(data) if row[10] and not row[11]]
    for row in rows:
        worst = dpyd(row, None)
        assert worst.inferred and worst.pair is not None
        assert sum(activity[name] for name in worst.pair) == sum(activity[_full_name(name)] for name in row[10].split("/")), row
    assert len(rows) > 15


def test_the_interpretation_tells_it_on_its_first_page(tmp_path: Path, setting: Setting) -> None:
    entry = {"diplotypes": ["m.1555A>G"], "share": {"m.1555A>G": 0.4}, "warning": "Avoid them."}
    (tmp_path / "pgx.json").write_text(json.dumps({"MT-RNR1": entry}))
    result = interpret(request(setting, None, case_file(tmp_path, setting), pgx=tmp_path / "pgx.json"))
    shown = report(result, findings_document(result, None))
    assert "MT-RNR1 m.1555A&gt;G in 40 % of copies" in shown and shown.index("Avoid them.") < shown.index("The patient")


def test_another_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(BadInput, match="no result of MT-RNR1"):
        aminoglycosides(tmp_path / "other.json")
