"""The evidence folder: what is added can be locked, is found again by any spelling, and nothing wrong goes in unseen."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest

from genopipe.errors import BadInput
from genopipe.interpret import evidence_sorted
from genopipe.interpret.annotate import annotate, join, places_of
from genopipe.interpret.evidence import DataSet, Release, add, canonical_assembly, datasets, lock, open_set
from genopipe.interpret.evidence_diff import diff
from genopipe.interpret.evidence_variants import significance, stars
from genopipe.interpret.variants import read_variants
from tests.interpret.conftest import Setting
from tests.interpret.world import CONTIGS, FREQUENCY_HEADER, OBO, write_annotations, write_family_vcf, write_sites


def keep(store: Path, kind: str, file: Path, *, name: str | None = None, version: str = "1", assembly: str | None = "world") -> DataSet:
    return add(store, kind, file, release=Release(name or kind, version, "2026-01-01", "CC0", assembly))


def rows(store: Path, dataset: DataSet) -> list[dict[str, object]]:
    return pq.read_table(store / "objects" / dataset.object[:2] / dataset.object[2:]).to_pylist()


def frequencies(path: Path, records: list[tuple[str, int, str, str, str]]) -> Path:
    return write_sites(path, FREQUENCY_HEADER, records)


def test_the_same_file_twice_is_one_object_and_one_set(tmp_path: Path) -> None:
    (tmp_path / "hp.obo").write_text(OBO)
    first, second = (keep(tmp_path / "E", "hpo", tmp_path / "hp.obo") for _ in range(2))
    assert first == second
    assert first.assembly is None
    assert lock(tmp_path / "E", "a").digest == lock(tmp_path / "E", "a").digest
    assert len(datasets(tmp_path / "E")) == 1
    schema = json.loads(resources.files("genopipe").joinpath("schemas/evidence.schema.json").read_text())
    jsonschema.validate(json.loads((tmp_path / "E/a").read_text()), schema)


def test_a_set_keeps_its_versions_when_newer_ones_come(tmp_path: Path) -> None:
    store = tmp_path / "E"
    keep(store, "frequency", frequencies(tmp_path / "1.vcf.gz", [("chr1", 5, "A", "C", "AF=0.1")]), version="1")
    old = lock(store, "old")
    records = [("chr1", 5, "A", "C", "AF=0.2"), ("chr1", 9, "A", "G", "AF=0.1")]
    add(store, "frequency", frequencies(tmp_path / "2.vcf.gz", records), release=Release("frequency", "2", "2026-02-01", "CC0", "world"))
    new = lock(store, "new")
    assert open_set(store / "old").datasets[0].version == "1"
    assert new.datasets[0].version == "2"
    (change,) = diff(old, new)
    assert (change.added, change.removed, change.changed) == (1, 0, 1)
    assert diff(new, new) == ()


@pytest.mark.parametrize(
    ("release", "kind", "message"),
    [
        (Release("a", "1", "2026-01-01", "x", None), "genes", "no assembly for genes"),
        (Release("a b", "1", "2026-01-01", "x", None), "hpo", "name 'a b'"),
        (Release("a", "../1", "2026-01-01", "x", None), "hpo", "version '../1'"),
        (Release("a", "1", "yesterday", "x", None), "hpo", "date 'yesterday'"),
        (Release("a", "1", "2026-13-45", "x", None), "hpo", "date '2026-13-45'"),
        (Release("a", "1", "20260101", "x", None), "hpo", "date '20260101'"),
        (Release("a", "1", "2026-01-01", "x", None), "hpo-annotation", "Did you mean hpo-annotations?"),
    ],
)
def test_a_release_that_says_too_little_is_refused(tmp_path: Path, release: Release, kind: str, message: str) -> None:
    (tmp_path / "hp.obo").write_text(OBO)
    with pytest.raises(BadInput) as caught:
        add(tmp_path / "E", kind, tmp_path / "hp.obo", release=release)
    assert message in str(caught.value)
    assert not (tmp_path / "E/datasets").exists()


def test_what_cannot_be_locked_together(tmp_path: Path) -> None:
    store = tmp_path / "E"
    with pytest.raises(BadInput, match="there is no evidence here; wanted a folder written by `genopipe evidence add`"):
        lock(store, "a")
    (store / "datasets").mkdir(parents=True)
    with pytest.raises(BadInput, match="nothing to lock"):
        lock(store, "a")
    one = frequencies(tmp_path / "1.vcf.gz", [("chr1", 5, "A", "C", "AF=0.1")])
    keep(store, "frequency", one, name="f37", assembly="hg19")
    keep(store, "frequency", one, name="f38", assembly="GRCh38")
    with pytest.raises(BadInput, match="mixed assemblies: f37 is on GRCh37, f38 is on GRCh38"):
        lock(store, "a")
    lock(store, "a", only=["f38"])
    with pytest.raises(BadInput, match="the set a is locked with other content"):
        lock(store, "a", only=["f37"])
    with pytest.raises(BadInput, match="no data set 'f39'; wanted f37, f38"):
        lock(store, "b", only=["f39"])
    with pytest.raises(BadInput, match="set name 'objects'"):
        lock(store, "objects")
    (tmp_path / "hp.obo").write_text(OBO)
    keep(store, "hpo", tmp_path / "hp.obo", name="one")
    keep(store, "hpo", tmp_path / "hp.obo", name="two")
    with pytest.raises(BadInput, match="2 data sets of kind hpo: one, two"):
        lock(store, "c", only=["one", "two", "f38"])


def test_another_content_under_the_same_version_is_refused(tmp_path: Path) -> None:
    keep(tmp_path / "E", "frequency", frequencies(tmp_path / "1.vcf.gz", [("chr1", 5, "A", "C", "AF=0.1")]))
    with pytest.raises(BadInput, match="frequency 1 is here with other content"):
        keep(tmp_path / "E", "frequency", frequencies(tmp_path / "2.vcf.gz", [("chr1", 5, "A", "C", "AF=0.2")]))
    assert len([path for path in (tmp_path / "E" / "objects").rglob("*") if path.is_file()]) == 1


def test_a_set_that_was_changed_or_lost_its_records_is_named(tmp_path: Path) -> None:
    store = tmp_path / "E"
    dataset = keep(store, "frequency", frequencies(tmp_path / "1.vcf.gz", [("chr1", 5, "A", "C", "AF=0.1")]))
    locked = lock(store, "a")
    (store / "a").write_text((store / "a").read_text().replace("2026-01-01", "2026-01-02"))
    with pytest.raises(BadInput, match="changed after it was locked"):
        open_set(store / "a")
    (store / "a").write_text("{}")
    with pytest.raises(BadInput, match=r"no evidence set 'other'; wanted a locked set, such as a\."):
        open_set(store / "other")
    (tmp_path / "private.txt").touch()
    with pytest.raises(BadInput, match=r"no evidence set 'a'; wanted a set made by `genopipe evidence lock`"):
        open_set(tmp_path / "a")
    with pytest.raises(BadInput, match="this is no evidence set"):
        open_set(store / "a")
    locked.store.delete(dataset.object)
    with pytest.raises(BadInput, match="the records of frequency 1 are not in the evidence folder"):
        locked.table(dataset)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([("chr1", 5, "A", "C", "nhomalt=1")], "no record to keep"),
        ([("chr1", 5, "A", "<DEL>", "AF=0.1")], "no record to keep"),
    ],
)
def test_a_table_without_records_is_refused(tmp_path: Path, records: list[tuple[str, int, str, str, str]], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        keep(tmp_path / "E", "frequency", frequencies(tmp_path / "1.vcf.gz", records))


def test_unsorted_contigs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    header = "##fileformat=VCFv4.2\n" + "\n".join(FREQUENCY_HEADER) + "\n##contig=<ID=1>\n##contig=<ID=2>\n"
    lines = "".join(f"{contig}\t5\t.\tA\tC\t.\t.\tAF=0.1\n" for contig in ("1", "2", "1"))
    path.write_text(header + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n" + lines)
    with pytest.raises(BadInput, match="contig 1 comes again"):
        keep(tmp_path / "E", "frequency", path)


def test_evidence_of_another_build_is_refused(setting: Setting, tmp_path: Path) -> None:
    there = setting.world.bases("chr1", 500, 501)
    other = "A" if there != "A" else "C"
    file = frequencies(tmp_path / "1.vcf.gz", [("chr1", 500, other, "T" if other != "T" else "G", "AF=0.1")])
    with pytest.raises(BadInput, match=f"REF {other} at chr1:501; the reference world has {there} there"):
        add(tmp_path / "E", "frequency", file, release=Release("f", "1", "2026-01-01", "x", "world"), genome=setting.genome)


@pytest.mark.parametrize(
    ("contig", "end", "message"),
    [
        ("chr1", 10**8, r"a transcript ends at 100,000,000 on chr1, which has [\d,]+ bases in the reference"),
        ("chr99", 100, "no contig of the reference, but chr99; wanted gene models on the assembly"),
    ],
)
def test_gene_models_of_another_build_are_refused(setting: Setting, tmp_path: Path, contig: str, end: int, message: str) -> None:
    keys = 'gene_id "g"; transcript_id "t"; gene_name "G"; gene_type "protein_coding"; transcript_type "protein_coding";'
    (tmp_path / "g.gtf").write_text(f"{contig}\tx\texon\t10\t{end}\t.\t+\t.\t{keys}\n")
    with pytest.raises(BadInput, match=message):
        add(tmp_path / "E", "genes", tmp_path / "g.gtf", release=Release("g", "1", "2026-01-01", "x", "world"), genome=setting.genome)


def test_a_join_finds_exactly_what_a_dictionary_finds(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a dictionary of the table; row groups are made small, so that many are touched and many passed over."""
    monkeypatch.setattr(evidence_sorted, "ROW_GROUP", 16)
    draw = random.Random(2)
    world, known, carried = setting.world, {}, []
    for contig in CONTIGS:
        for position in sorted(draw.sample(range(50, CONTIGS[contig] - 50), 300)):
            ref = world.bases(contig, position, position + 1)
            alt = draw.choice([base for base in "ACGT" if base != ref])
            if draw.random() < 0.7:
                known[contig, position, ref, alt] = round(draw.random() * 0.01, 6)
            if draw.random() < 0.3:
                carried.append((contig, position, ref, draw.choice([alt, next(b for b in "ACGT" if b not in (ref, alt))])))
    table = frequencies(tmp_path / "f.vcf.gz", [(*place, f"AF={value}") for place, value in known.items()])
    dataset = keep(tmp_path / "E", "frequency", table)
    path = write_family_vcf(tmp_path / "v.vcf", ["S"], [(place, ["0/1"]) for place in carried])
    variants = read_variants(path, ["S"], genome=setting.genome)
    evidence = lock(tmp_path / "E", "set")
    joined = join(places_of(variants), evidence.table(dataset), ("af",))
    found = {row: af for rows, values in joined for row, af in zip(rows.tolist(), values["af"].to_pylist(), strict=True)}
    for row in range(len(variants)):
        place = (variants.contig[row], int(variants.position[row]), variants.ref[row], variants.alt[row])
        assert (row in found) == (place in known)
        if row in found:
            assert found[row] == pytest.approx(known[place], rel=1e-5)
    frequency = annotate(variants, evidence).frequency
    assert np.isnan(frequency).sum() == len(variants) - len(found)


def test_the_highest_frequency_of_large_populations_counts(tmp_path: Path) -> None:
    extra = [f'##INFO=<ID={key},Number=A,Type=Float,Description="x">' for key in ("AF_afr", "AF_fin")]
    file = write_sites(tmp_path / "f.vcf.gz", FREQUENCY_HEADER + extra, [("chr1", 5, "A", "C", "AF=0.01;AF_afr=0.04;AF_fin=0.5;nhomalt=3")])
    (row,) = rows(tmp_path / "E", keep(tmp_path / "E", "frequency", file))
    assert (round(float(str(row["af"])), 4), round(float(str(row["af_max"])), 4), row["homozygotes"]) == (0.01, 0.04, 3)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Pathogenic", "pathogenic"),
        ("Pathogenic/Likely_pathogenic", "pathogenic"),
        ("Likely_pathogenic|risk_factor", "likely_pathogenic"),
        ("Conflicting_classifications_of_pathogenicity", "conflicting"),
        ("Benign|Pathogenic", "conflicting"),
        ("Likely_pathogenic|Uncertain_significance|not_provided", "conflicting"),
        ("Uncertain_significance|not_provided", "uncertain"),
        ("Benign/Likely_benign", "benign"),
        ("drug_response", "other"),
    ],
)
def test_clinvar_words(text: str, word: str) -> None:
    assert significance(text) == word


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("practice_guideline", 4),
        ("reviewed_by_expert_panel", 3),
        ("criteria_provided,_multiple_submitters,_no_conflicts", 2),
        ("criteria_provided,_conflicting_classifications", 1),
        ("criteria_provided,_single_submitter", 1),
        ("no_assertion_criteria_provided", 0),
        ("", 0),
    ],
)
def test_clinvar_stars(text: str, n: int) -> None:
    """ClinVar's own table of review status and stars."""
    assert stars(text) == n


@pytest.mark.parametrize(
    ("name", "assembly"), [("hg19", "GRCh37"), ("GRCh38.p14", "GRCh38"), ("b37", "GRCh37"), ("simulated", "simulated")]
)
def test_names_of_an_assembly_meet(name: str, assembly: str) -> None:
    assert canonical_assembly(name) == assembly


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("hpo", "HP:0000001\tAll\t2\t\n", ":1: obsolete is '2'"),
        ("hpo-annotations", "a\tb\tc\n", ":1: columns"),
        ("hpo-annotations", "1\tG\tHP:0000001\n1\tG\tnothing\n", ":2: 'nothing' in the place of a term"),
        ("hpo-annotations", "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\n1\tG\tHP:0000001\n", ":2: 3 columns; wanted at least 4"),
        ("constraint", "gene\tx\nA\t1\n", ":1: columns gene, x; wanted a column oe_lof_upper"),
        ("constraint", "gene\toe_lof_upper\nA\n", ":2: 1 columns; wanted 2"),
        ("constraint", "", "nothing in it"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, kind: str, text: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(text)
    with pytest.raises(BadInput) as caught:
        keep(tmp_path / "E", kind, tmp_path / "t.tsv")
    assert message in str(caught.value)


def test_the_forms_of_annotation_tables_say_the_same(tmp_path: Path) -> None:
    forms = {
        "today": write_annotations(tmp_path / "today.txt").read_text().splitlines()[1],
        "2013": "#Format: entrez-gene-id\n1\tGENA\tname\tHP:0000006",
        "short": "1\tGENA\tHP:0000006",
    }
    for name, text in forms.items():
        header = "ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id\n" if name == "today" else ""
        (tmp_path / name).write_text(header + text + "\n")
        (row,) = rows(tmp_path / "E", keep(tmp_path / "E", "hpo-annotations", tmp_path / name, name=name))
        assert (row["gene"], row["term"]) == ("GENA", "HP:0000006")


REAL = {
    "hpo": (("hpo/hp-2014-03-18.obo", 10_396), ("hpo/DERIVED_terms.tsv", 19_484)),
    "hpo-annotations": (
        ("hpo/genes_to_phenotype-2013.txt", 74_706),
        ("hpo/DERIVED_gene_to_phenotype.tsv", 259_012),
        ("hpo/DERIVED_omim_to_phenotype.tsv", 155_916),
    ),
    "genes": (("gene_models/chr21_gencode.gtf", 367),),
    "constraint": (("constraint/gnomad.v2.1.1.gene-constraints.tsv", 19_658),),
    "frequency": (("known_sites_chr21/1000GP.chr21.noNA12878.s.vcf.gz", 5_398),),
    "coding-exons": (("gene_models/refseq_union_cds.GRCh37.bed.gz", 35_772),),
}


@pytest.mark.parametrize("kind", REAL)
def test_published_files_are_taken(data: Path, tmp_path: Path, kind: str) -> None:
    """Counts of distinct records in the published files."""
    for file, n in REAL[kind]:
        assembly = "GRCh37" if "GRCh37" in file else "GRCh38"
        dataset = keep(tmp_path / "E", kind, data / file, name=Path(file).name.replace("_", "-"), assembly=assembly)
        assert dataset.records == n
        assert asdict(dataset)["licence"] == "CC0"


def test_clinvar_of_2016_is_read_with_its_own_keys(data: Path, tmp_path: Path) -> None:
    """Its distinct records without the 927 about the reference allele."""
    dataset = keep(tmp_path / "E", "clinvar", data / "clinvar/clinvar-2016-09-10.GRCh37.vcf.gz", assembly="GRCh37")
    assert dataset.records == 135_168
    by_place = {(row["contig"], row["position"], row["alt"]): row for row in rows(tmp_path / "E", dataset)}
    isg15 = by_place["1", 949_522, "T"]
    assert (isg15["significance"], isg15["stars"], isg15["gene"]) == ("pathogenic", 0, "ISG15")


def test_a_version_that_lost_records_is_refused_unless_it_may(tmp_path: Path) -> None:
    store = tmp_path / "E"
    whole = [("chr1", 5 + n, "A", "C", "AF=0.1") for n in range(10)]
    keep(store, "frequency", frequencies(tmp_path / "1.vcf.gz", whole), version="1")
    less = frequencies(tmp_path / "2.vcf.gz", whole[:7])
    with pytest.raises(BadInput, match="frequency 2 has 7 records, 1 had 10; wanted at least 80%"):
        keep(store, "frequency", less, version="2")
    assert [known.version for known in datasets(store)] == ["1"]
    add(store, "frequency", less, release=Release("frequency", "2", "2026-01-01", "CC0", "world"), may_shrink=True)
    keep(store, "frequency", frequencies(tmp_path / "3.vcf.gz", whole[:6]), version="3")


def test_a_commercial_set_takes_no_unknown_licence(tmp_path: Path) -> None:
    (tmp_path / "hp.obo").write_text(OBO)
    add(tmp_path / "E", "hpo", tmp_path / "hp.obo", release=Release("hpo", "1", "2026-01-01", "academic use only", None))
    with pytest.raises(BadInput, match="hpo has the licence 'academic use only', not known to allow commercial use"):
        lock(tmp_path / "E", "set", commercial=True)
    assert not (tmp_path / "E" / "set").exists()
    add(tmp_path / "E", "hpo", tmp_path / "hp.obo", release=Release("hpo", "2", "2026-01-02", "HPO", None))
    assert lock(tmp_path / "E", "set", commercial=True).datasets[0].version == "2"
