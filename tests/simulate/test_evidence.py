"""The evidence tables: well-formed, about this genome, and telling for the answer."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pysam
import pytest

from genopipe.simulate.family import Family
from tests.simulate.conftest import Feature, Record

REAL_TERMS = {
    "HP:0000001": "All",
    "HP:0000118": "Phenotypic abnormality",
    "HP:0000005": "Mode of inheritance",
    "HP:0000006": "Autosomal dominant inheritance",
    "HP:0000007": "Autosomal recessive inheritance",
    "HP:0001417": "X-linked inheritance",
    "HP:0001427": "Mitochondrial inheritance",
}


@pytest.fixture(scope="module")
def terms(family: Family) -> dict[str, dict[str, str]]:
    """The OBO file as tag-value pairs by identifier."""
    stanzas = (family.evidence / "hp.obo").read_text().split("\n\n[Term]\n")[1:]
    rows = (dict(line.split(": ", 1) for line in stanza.splitlines()) for stanza in stanzas)
    return {row["id"]: row for row in rows}


@pytest.fixture(scope="module")
def annotations(family: Family) -> list[dict[str, str]]:
    with open(family.evidence / "genes_to_phenotype.txt") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def ancestors(terms: dict[str, dict[str, str]], identifier: str) -> set[str]:
    found = {identifier}
    while "is_a" in terms[identifier]:
        identifier = terms[identifier]["is_a"]
        found.add(identifier)
    return found


def test_invented_terms_say_so(terms: dict[str, dict[str, str]]) -> None:
    for identifier, term in terms.items():
        if identifier in REAL_TERMS:
            assert term["name"] == REAL_TERMS[identifier]
        else:
            assert identifier.startswith("HP:99") and "Simulated" in term["name"]


def test_every_living_term_leads_to_the_root(terms: dict[str, dict[str, str]]) -> None:
    for identifier, term in terms.items():
        if "is_obsolete" in term:
            assert term["replaced_by"] in terms and "is_a" not in term
        else:
            assert "HP:0000001" in ancestors(terms, identifier)


def test_names_and_identifiers_are_unique(terms: dict[str, dict[str, str]]) -> None:
    assert len({term["name"] for term in terms.values()}) == len(terms) > 80
    alternative = [term["alt_id"] for term in terms.values() if "alt_id" in term]
    assert len({*alternative, *terms}) == len(alternative) + len(terms)


def test_annotations_have_the_columns_of_hpo(annotations: list[dict[str, str]]) -> None:
    assert list(annotations[0]) == ["ncbi_gene_id", "gene_symbol", "hpo_id", "hpo_name", "frequency", "disease_id"]


def test_annotations_name_terms_rightly(annotations: list[dict[str, str]], terms: dict[str, dict[str, str]]) -> None:
    assert all(terms[row["hpo_id"]]["name"] == row["hpo_name"] for row in annotations)


def test_annotated_genes_are_in_the_gene_models(annotations: list[dict[str, str]], features: list[Feature]) -> None:
    symbols = {f.attributes["Name"] for f in features if f.kind == "gene"}
    assert {row["gene_symbol"] for row in annotations} < symbols


def shared(family: Family, annotations: list[dict[str, str]], gene: str) -> int:
    return len(set(family.phenotypes) & {row["hpo_id"] for row in annotations if row["gene_symbol"] == gene})


def test_newborn_shows_the_signs_of_the_causal_gene_most(family: Family, annotations: list[dict[str, str]]) -> None:
    others = {row["gene_symbol"] for row in annotations} - {family.causal_gene}
    assert shared(family, annotations, family.causal_gene) == 4
    assert max(shared(family, annotations, gene) for gene in others) < 4
    assert shared(family, annotations, family.decoy_gene) == 0


def test_inheritance_fits_the_answer_and_the_decoy(family: Family, annotations: list[dict[str, str]]) -> None:
    modes = {(row["gene_symbol"], row["hpo_id"]) for row in annotations}
    assert (family.causal_gene, "HP:0000006") in modes
    assert (family.decoy_gene, "HP:0000007") in modes


def test_constraint_knows_every_gene(family: Family, features: list[Feature]) -> None:
    with open(family.evidence / "constraint.tsv") as file:
        rows = {row["gene"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert set(rows) == {f.attributes["Name"] for f in features if f.kind == "gene"}
    assert float(rows[family.causal_gene]["pLI"]) > 0.9 and float(rows[family.causal_gene]["oe_lof_upper"]) < 0.35
    assert float(rows[family.decoy_gene]["pLI"]) < 0.1 and float(rows[family.decoy_gene]["oe_lof_upper"]) > 1
    assert all(float(row["oe_lof_lower"]) <= float(row["oe_lof"]) <= float(row["oe_lof_upper"]) for row in rows.values())


def sites(path: Path) -> dict[str, pysam.VariantRecord]:
    """The records of a VCF by CHROM-POS-REF-ALT."""
    with pysam.VariantFile(str(path)) as file:
        return {f"{r.chrom}-{r.pos}-{r.ref}-{r.alts[0]}": r for r in file}


def test_frequencies_are_counts_over_chromosomes(family: Family) -> None:
    for record in sites(family.evidence / "frequency.vcf.gz").values():
        assert record.info["AF"][0] == pytest.approx(record.info["AC"][0] / record.info["AN"], abs=1e-5)


def test_frequency_knows_the_common_variants_and_not_the_causal_one(family: Family, truth: list[Record]) -> None:
    known = sites(family.evidence / "frequency.vcf.gz")
    common = {r.name for r in truth if "ORIGIN=population" in r.info}
    assert common < set(known)
    assert len(known) > len(truth)
    assert family.causal_variant not in known
    assert all(known[name].info["AF"][0] < 0.001 for name in family.decoy_variants)


def test_clinvar_calls_nothing_pathogenic_that_the_family_carries(family: Family, truth: list[Record]) -> None:
    told = {name: r.info["CLNSIG"][0] for name, r in sites(family.evidence / "clinvar.vcf.gz").items()}
    carried = {r.name for r in truth}
    assert [name in carried for name, significance in told.items() if significance == "Pathogenic"] == [False]
    assert sum(significance == "Benign" and name in carried for name, significance in told.items()) >= 3
    assert told[family.decoy_variants[0]] == "Uncertain_significance"


def test_clinvar_names_the_gene_at_the_place(family: Family, features: list[Feature]) -> None:
    genes = {f.attributes["Name"]: f for f in features if f.kind == "gene"}
    for record in sites(family.evidence / "clinvar.vcf.gz").values():
        gene = genes[record.info["GENEINFO"].split(":")[0]]
        assert gene.contig == record.chrom and gene.start <= record.pos <= gene.end


def test_tables_are_block_compressed(family: Family) -> None:
    for name in ("clinvar", "frequency"):
        content = (family.evidence / f"{name}.vcf.gz").read_bytes()
        assert content[12:14] == b"BC" and gzip.decompress(content).startswith(b"##fileformat=VCFv4.2\n")
