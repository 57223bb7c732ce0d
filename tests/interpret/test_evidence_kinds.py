"""Each kind of evidence, in the forms it is published in: what goes in comes out, and what does not fit is told with its line."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.cli import genopipe
from genopipe.errors import BadInput
from genopipe.interpret import evidence_sorted
from genopipe.interpret.annotate import annotate
from genopipe.interpret.evidence import KINDS, Release, add, lock
from genopipe.interpret.evidence_genes import modes
from genopipe.interpret.evidence_sorted import write_sorted
from genopipe.interpret.gene_names import load_gene_names
from genopipe.interpret.ontology import load_phenotypes
from genopipe.interpret.panels import Panel, PanelGene, read_gene_lists, read_panels
from genopipe.interpret.pgx.source import tables_folder
from genopipe.interpret.transcripts import transcripts_of
from genopipe.interpret.variants import read_variants
from tests.interpret.conftest import Setting
from tests.interpret.world import OBO, write_family_vcf

REVEL = "chr,hg19_pos,grch38_pos,ref,alt,aaref,aaalt,REVEL,Ensembl_transcriptid\n"
ALPHAMISSENSE = "# Licence\n#CHROM\tPOS\tREF\tALT\tgenome\tuniprot_id\ttranscript_id\tprotein_variant\tam_pathogenicity\tam_class\n"
CADD = "## CADD GRCh38-v1.7 (c)\n#Chrom\tPos\tRef\tAlt\tRawScore\tPHRED\n"
HPOA = "#description: x\ndatabase_id\tdisease_name\tqualifier\thpo_id\treference\tevidence\tonset\tfrequency\tsex\tmodifier\taspect\tx\n"
SPLICEAI = "##fileformat=VCFv4.2\n##INFO=<ID=SpliceAI,Number=.,Type=String>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def kept(folder: Path, kind: str, text: str, *, assembly: str | None = "GRCh38", name: str | None = None, date: str = "2026-01-01") -> Path:
    """The store, to which a file with `text` was added."""
    file = folder / f"{name or kind}.txt"
    file.write_text(text)
    add(folder / "E", kind, file, release=Release(name or kind, "1", date, "CC0", assembly))
    return folder / "E"


def scores_in(store: Path, kind: str) -> list[tuple[str, int, str, str, float]]:
    evidence = lock(store, "set")
    (dataset,) = evidence.of_kind(kind)
    return [tuple(row.values()) for row in pq.read_table(evidence.table(dataset)).to_pylist()]


def test_revel_by_assembly_and_the_highest_of_a_variant(tmp_path: Path) -> None:
    rows = "1,10,20,G,C,T,R,0.1,E1\n1,10,20,G,A,T,M,0.3,E1\n1,10,20,G,C,T,R,0.9,E2\n1,11,.,A,C,T,R,0.2,E1\n1,9,21,A,C,T,R,0.4,E1\n"
    (tmp_path / "38").mkdir()
    (tmp_path / "37").mkdir()
    new = scores_in(kept(tmp_path / "38", "revel", REVEL + rows), "revel")
    assert new == [("1", 19, "G", "A", 0.3), ("1", 19, "G", "C", 0.9), ("1", 20, "A", "C", 0.4)]
    old = scores_in(kept(tmp_path / "37", "revel", REVEL + rows, assembly="hg19"), "revel")
    assert [row[1:] for row in old] == [(8, "A", "C", 0.4), (9, "G", "A", 0.3), (9, "G", "C", 0.9), (10, "A", "C", 0.2)]


def test_alphamissense_and_cadd(tmp_path: Path) -> None:
    store = kept(tmp_path, "alphamissense", ALPHAMISSENSE + "chr1\t69094\tG\tT\thg38\tQ8NH21\tENST1.4\tV2L\t0.2937\tlikely_benign\n")
    kept(tmp_path, "cadd", "## lifted from GRCh37\n" + CADD + "1\t10001\tT\tA\t0.70\t8.3\nX\t5\tC\tT\t1\t21\n")
    assert scores_in(store, "alphamissense") == [("1", 69093, "G", "T", 0.2937)]
    assert scores_in(store, "cadd") == [("1", 10000, "T", "A", 8.3), ("X", 4, "C", "T", 21.0)]


def test_spliceai_has_the_highest_of_four_by_allele(tmp_path: Path) -> None:
    info = "SpliceAI=A|G|0.1|0.2|0.03|0.00|1|2|3|4,C|G|.|.|.|.|.|.|.|.,A|H|0.00|0.4|0.03|0.00|1|2|3|4"
    rows = f"1\t100\t.\tT\tA,C\t.\t.\t{info}\n"
    rows += "1\t101\t.\tTAC\tT\t.\t.\tSpliceAI=T|G|0.00|0.00|0.99|0.5|1|2|3|4\n1\t102\t.\tA\tC\t.\t.\tOTHER=1\n"
    assert scores_in(kept(tmp_path, "spliceai", SPLICEAI + rows), "spliceai") == [("1", 99, "T", "A", 0.4), ("1", 100, "TAC", "T", 0.99)]


SCORES = ["0.5", "5.", ".25", "1e1", "1.5E-1", "+3", "00.5", "12", "0.1234567890123456789", "."]
NO_SCORES = ["1e", "1.2.3", "-", "1_0", "0x10", "inf", "x"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*SCORES, *NO_SCORES]), min_size=1, max_size=4))
def test_scores_are_those_of_python_whatever_stands_beside_them(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    folder = tmp_path_factory.mktemp("scores")
    rows = "".join(f"1\t{at}\tA\tC\t0\t{text}\n" for at, text in enumerate(texts, 1))
    wrong = [(at, text) for at, text in enumerate(texts, 3) if text in NO_SCORES]
    known = [(at, float(text)) for at, text in enumerate(texts) if text in SCORES[:-1]]
    if wrong or not known:
        with pytest.raises(BadInput) as error:
            kept(folder, "cadd", CADD + rows)
        assert (f":{wrong[0][0]}: score {wrong[0][1]!r}" if wrong else "no record to keep") in str(error.value)
        return
    assert [(at, score) for _, at, _, _, score in scores_in(kept(folder, "cadd", CADD + rows), "cadd")] == known


def test_entries_of_spliceai_are_found_among_others(tmp_path: Path) -> None:
    entry = "SpliceAI=C|G|0.1|0.25|0.03|0.00|1|2|3|4"
    infos = [entry, f"DB;{entry};X=1", f"OTHERSpliceAI=9;{entry.replace('0.25', '0.5')}", "SpliceAI=", "SpliceAI=C|G|0.1", entry]
    rows = "".join(f"1\t{at}\t.\tA\tC\t.\t.\t{info}\n" for at, info in enumerate(infos, 1))
    expected = [(0, 0.25), (1, 0.25), (2, 0.5), (5, 0.25)]
    assert [(at, score) for _, at, _, _, score in scores_in(kept(tmp_path, "spliceai", SPLICEAI + rows), "spliceai")] == expected


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        ("cadd", CADD.replace("38", "37") + "1\t1\tA\tC\t1\t2\n", "a table on GRCh37; wanted a table on GRCh38"),
        ("alphamissense", ALPHAMISSENSE + "1\t1\tA\tC\thg19\tQ\tE\tV\t0.5\tx\n", "a table on GRCh37; wanted a table on GRCh38"),
        ("cadd", CADD + "1\t1\tA\tC\t1\t2\n1\t2\tA\tC\t1\n", "cadd.txt:4: 5 columns; wanted 6, as in the header"),
        ("revel", "chr,hg19_pos,ref,alt,REVEL\n1,2,A,C,0.1\n", "wanted a column grch38_pos"),
        ("revel", "a,b\n1,2\n", "no header line"),
        ("cadd", CADD, "no record to keep"),
        ("cadd", CADD + "1\t1\tA\tC\t1\t2\n2\t1\tA\tC\t1\t2\n1\t3\tA\tC\t1\t2\n", "contig 1 comes again"),
        ("spliceai", SPLICEAI.replace("INFO\n", "X\n") + "1\t1\t.\tA\tC\t.\t.\tx\n", "wanted a column INFO"),
        ("panel", "gene\tconfidence\tinheritance\nABC\tblue\tAD\n", "panel.txt:2: confidence 'blue'"),
        ("panel", "gene\tinheritance\nABC\tAD\n", "panel.txt:2: columns gene, inheritance; wanted a column gel_status"),
        ("panel", '{"name": "x"}', "no panel in JSON"),
        ("gene-names", "symbol\thgnc_id\nABC\tHGNC:1\tx\n", "gene-names.txt:2: 3 columns"),
        ("gene-list", "\n", "no gene in it"),
        ("coding-exons", "1\t5\t9\tABC\t0\t.\n", "coding-exons.txt:1: an exon without a name or strand"),
        ("coding-exons", "#nothing\n", "no exon in it"),
        ("hpo-annotations", "#x\n", "no annotation in it"),
        ("hpo-annotations", HPOA + "OMIM:1\tN\t\tHP:1\n", "hpo-annotations.txt:3: 4 columns; wanted at least 12"),
        ("pgx-definitions", "x", "a file; wanted the folder of a PharmCAT release"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, kind: str, text: str, fault: str) -> None:
    with pytest.raises(BadInput) as error:
        kept(tmp_path, kind, text)
    assert fault in str(error.value)
    assert not list((tmp_path / "E").rglob("*.parquet"))


def test_scores_reach_the_variants(setting: Setting, tmp_path: Path) -> None:
    """Against a dictionary of the highest score of each variant, over two tables."""
    draw = random.Random(3)
    places = [(contig, position) for contig in ("chr1", "chr2") for position in draw.sample(range(5_000), 300)]
    variants = []
    for contig, position in places:
        ref = setting.world.bases(contig, position, position + 1)
        variants.append((contig, position, ref, draw.choice([base for base in "ACGT" if base != ref])))
    tables = []
    for name in ("one", "two"):
        chosen = sorted(draw.sample(variants, 200))
        rows = [(*place, round(draw.random(), 3)) for place in chosen]
        tables.append(rows)
        text = "#CHROM\tPOS\tREF\tALT\tam_pathogenicity\n" + "".join(f"{c}\t{p + 1}\t{r}\t{a}\t{s}\n" for c, p, r, a, s in rows)
        store = kept(tmp_path, "alphamissense", text, assembly="world", name=name)
    expected: dict[tuple[str, int, str, str], float] = {}
    for c, p, r, a, s in tables[0] + tables[1]:
        expected[c, p, r, a] = max(s, expected.get((c, p, r, a), 0.0))
    path = write_family_vcf(tmp_path / "kid.vcf", ["kid"], [(place, ["0/1"]) for place in variants])
    read = read_variants(path, ["kid"], genome=setting.genome)
    known = annotate(read, lock(store, "set")).scores["alphamissense"]
    for row in range(len(read)):
        wanted = expected.get((read.contig[row], int(read.position[row]), read.ref[row], read.alt[row]))
        assert known[row] == wanted if wanted is not None else known[row] != known[row]


def test_records_out_of_order_are_sorted_within_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    monkeypatch.setattr(evidence_sorted, "WINDOW", 50)
    draw = random.Random(1)
    position = [i + draw.randrange(20) for i in range(1000)]

    def tables(order: list[int]) -> list[pa.Table]:
        same = {"contig": ["1"] * 10, "ref": ["A"] * 10, "alt": ["C"] * 10, "score": [1.0] * 10}
        return [pa.table(same | {"position": order[i : i + 10], "line": range(i + 2, i + 12)}) for i in range(0, len(order), 10)]

    from genopipe.interpret.evidence_scores import SCORE

    n = write_sorted([tmp_path], lambda _: iter(tables(position)), tmp_path / "a", SCORE)
    assert pq.read_table(tmp_path / "a")["position"].to_pylist() == sorted(set(position))
    assert n == len(set(position))
    with pytest.raises(BadInput, match=r":50\d: position .* of 1 comes millions of records after"):
        write_sorted([tmp_path], lambda _: iter(tables(position[500:] + position[:500])), tmp_path / "b", SCORE)


PANELAPP = "Entity Name\tEntity type\tGene Symbol\tSources(; separated)\tLevel4\tModel_Of_Inheritance\tGEL_Status\tversion\tHGNC\n"


def panels_in(store: Path) -> tuple[Panel, ...]:
    return read_panels(lock(store, "set"))


def test_panels_of_panelapp_as_table_and_as_json(tmp_path: Path) -> None:
    biallelic = "BIALLELIC, autosomal or pseudoautosomal"
    rows = f"A\tgene\tA\tx\tFits\t{biallelic}\t3\t4.1\tHGNC:1\nR\tregion\t\tx\tFits\t\t3\t4.1\t\nB\tgene\tB\tx\tFits\tUnknown\t1\t4.1\t\n"
    rows += "C\tgene\tC\tx\tFits\t\t0\t4.1\t\n"
    expected = {"A": PanelGene(3, frozenset({"AR"})), "B": PanelGene(1, frozenset())}
    assert panels_in(kept(tmp_path, "panel", PANELAPP + rows)) == (Panel("Fits", "4.1", expected),)
    genes = [
        {
            "gene_data": {"gene_symbol": "A", "hgnc_id": "HGNC:1"},
            "entity_type": "gene",
            "confidence_level": "3",
            "mode_of_inheritance": biallelic,
        },
        {"gene_data": {"gene_symbol": "B"}, "entity_name": "B", "confidence_level": "1", "mode_of_inheritance": None},
    ]
    document = json.dumps({"id": 1, "name": "Fits", "version": "4.1", "genes": genes, "regions": []}, indent=1)
    (tmp_path / "json").mkdir()
    assert panels_in(kept(tmp_path / "json", "panel", document)) == (Panel("Fits", "4.1", expected),)


def test_a_plain_panel_has_the_name_of_its_data_set(tmp_path: Path) -> None:
    store = kept(tmp_path, "panel", "gene\tconfidence\tinheritance\nA\tgreen\tAD,AR\nB\tAmber\tXL\n", name="own")
    genes = {"A": PanelGene(3, frozenset({"AD", "AR"})), "B": PanelGene(2, frozenset({"XD", "XR"}))}
    assert panels_in(store) == (Panel("own", "1", genes),)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("MONOALLELIC, autosomal or pseudoautosomal, imprinted status unknown", ["AD"]),
        (
            "BOTH monoallelic and biallelic (but BIALLELIC mutations cause a more SEVERE disease form), autosomal or pseudoautosomal",
            ["AD", "AR"],
        ),
        ("X-LINKED: hemizygous mutation in males, biallelic mutations in females", ["XR"]),
        ("X-LINKED: hemizygous mutation in males, monoallelic mutations in females may cause disease", ["XD", "XR"]),
        ("MITOCHONDRIAL", ["MT"]),
        ("X-linked recessive", ["XR"]),
        ("Autosomal dominant; autosomal recessive", ["AD", "AR"]),
        ("Other - please specify in evaluation comments", []),
        ("", []),
    ],
)
def test_words_of_panelapp_as_modes(words: str, expected: list[str]) -> None:
    assert modes(words) == expected


@pytest.mark.parametrize("text", ["A\nB\n", "gene\r\nA\r\nB\r\n", "CHROM\tGENE_NAME\n1\tA\n2\tB\n", "#x\nB\n\nA\n"])
def test_gene_lists(tmp_path: Path, text: str) -> None:
    assert read_gene_lists(lock(kept(tmp_path, "gene-list", text, name="mine"), "set")) == {"mine": frozenset("AB")}


HGNC = 'hgnc_id\tsymbol\tstatus\talias_symbol\tprev_symbol\tentrez_id\nHGNC:1\tNEW\tApproved\t"NICK|TWICE"\tOLD\t7\n'
HGNC += "HGNC:2\tOTHER\tApproved\tTWICE\tGONE\t8\nHGNC:3\tDEAD\tEntry Withdrawn\t\t\t\n"


def test_names_of_hgnc_join_every_table(tmp_path: Path) -> None:
    kept(tmp_path, "gene-names", HGNC)
    kept(tmp_path, "hpo", OBO, assembly=None)
    kept(tmp_path, "hpo-annotations", "7\tOLDEST\tHP:0001250\n9\tNICK\tHP:0001252\n")
    kept(tmp_path, "coding-exons", "1\t5\t9\tGENE=OLD;GENE_ID=7;TRANSCRIPT=NM_1.1\t0\t+\n")
    kept(tmp_path, "gene-list", "OLD\nTWICE\nDEAD\nOTHER\n")
    evidence = lock(kept(tmp_path, "panel", "gene\tconfidence\tinheritance\nOLD\t3\tAD\n"), "set")
    assert load_phenotypes(evidence)[1].genes == ("NEW",)
    assert [transcript.gene for transcript in transcripts_of(evidence, ["NEW"])] == ["NEW"]
    assert read_gene_lists(evidence)["gene-list"] == {"NEW", "TWICE", "DEAD", "OTHER"}
    assert set(read_panels(evidence)[0].genes) == {"NEW"}


def test_without_hgnc_the_newest_hpo_table_names_a_gene_by_its_number(tmp_path: Path) -> None:
    kept(tmp_path, "hpo", OBO, assembly=None)
    kept(tmp_path, "hpo-annotations", "7\tNOW\tHP:0001250\n8\tSAME\tHP:0001250\n", name="new", date="2025-01-01")
    kept(tmp_path, "hpo-annotations", "7\tTHEN\tHP:0001252\n5\tX\tHP:0001252\n5\tY\tHP:0001252\n", name="old", date="2013-01-01")
    gff = "".join(
        f"1\tr\tgene\t{at}\t{at + 50}\t.\t+\t.\tID=gene-{name};Name={name};Dbxref=GeneID:{number},HGNC:1\n"
        f"1\tr\tmRNA\t{at}\t{at + 50}\t.\t+\t.\tID=rna-{at};Parent=gene-{name}\n1\tr\texon\t{at}\t{at + 50}\t.\t+\t.\tParent=rna-{at}\n"
        for at, name, number in ((1, "ONCE", 7), (100, "SAME", 8), (200, "ALONE", 9))
    )
    evidence = lock(kept(tmp_path, "genes", gff), "set")
    names = load_gene_names(evidence)
    assert [names.current(name) for name in ("ONCE", "THEN", "NOW", "ALONE", "X", "UNKNOWN")] == [
        "NOW",
        "NOW",
        "NOW",
        "ALONE",
        "X",
        "UNKNOWN",
    ]
    assert load_phenotypes(evidence)[1].genes == ("NOW", "SAME", "X", "Y")
    assert {transcript.gene for transcript in transcripts_of(evidence, ["NOW", "SAME", "ALONE"])} == {"NOW", "SAME", "ALONE"}


def hpoa(*rows: tuple[str, str, str]) -> str:
    return HPOA + "".join(f"{disease}\tName\t{qualifier}\t{term}\tr\tTAS\t\t\t\t\tP\tx\n" for disease, qualifier, term in rows)


def test_terms_of_a_disease_belong_to_its_genes(tmp_path: Path) -> None:
    """phenotype.hpoa tells of diseases only; genes_to_disease.txt says which genes these are."""
    kept(tmp_path, "hpo", OBO, assembly=None)
    rows = hpoa(("OMIM:1", "", "HP:0001250"), ("OMIM:1", "NOT", "HP:0001252"), ("ORPHA:2", "", "HP:0000006"), ("OMIM:3", "", "HP:0000988"))
    kept(tmp_path, "hpo-annotations", rows, name="diseases")
    genes = "ncbi_gene_id\tgene_symbol\tassociation_type\tdisease_id\tsource\n"
    genes += "NCBIGene:1\tA\tMENDELIAN\tOMIM:1\tx\nNCBIGene:2\tB\tMENDELIAN\tOMIM:1\tx\nNCBIGene:2\tB\tUNKNOWN\tORPHA:2\tx\n"
    ontology, annotations = load_phenotypes(lock(kept(tmp_path, "hpo-annotations", genes, name="genes"), "set"))
    shown = {gene: {ontology.ids[term] for term in annotations.terms_of(annotations.number[gene])} for gene in annotations.genes}
    assert shown == {"A": {"HP:0001250"}, "B": {"HP:0001250", "HP:0000006"}}
    assert annotations.diseases == {"A": ("OMIM:1",), "B": ("OMIM:1", "ORPHA:2")}
    assert annotations.inheritance == {"B": ("HP:0000006",)}


def test_a_gene_without_a_symbol_is_named_by_its_number_or_left_out(tmp_path: Path) -> None:
    kept(tmp_path, "hpo", OBO, assembly=None)
    kept(tmp_path, "coding-exons", "1\t5\t9\tGENE=A;GENE_ID=7;TRANSCRIPT=NM_1.1\t0\t+\n")
    evidence = lock(kept(tmp_path, "hpo-annotations", "7\t-\tHP:0001250\n8\t-\tHP:0001250\n9\tB\tHP:0001252\n"), "set")
    assert load_phenotypes(evidence)[1].genes == ("A", "B")
    assert [transcript.gene for transcript in transcripts_of(evidence, ["A"])] == ["A"]


def test_phenotype_to_genes_is_read_by_its_header(tmp_path: Path) -> None:
    kept(tmp_path, "hpo", OBO, assembly=None)
    text = "hpo_id\thpo_name\tncbi_gene_id\tgene_symbol\tdisease_id\nHP:0001250\tSeizure\t7\tA\tOMIM:1\n"
    _, annotations = load_phenotypes(lock(kept(tmp_path, "hpo-annotations", text), "set"))
    assert annotations.genes == ("A",)
    assert annotations.diseases == {"A": ("OMIM:1",)}


def test_coding_exons_are_gene_models_without_ends(tmp_path: Path) -> None:
    text = (
        "1\t20\t29\tGENE=A;GENE_ID=1;TRANSCRIPT=NM_1.1,NM_2.1\t0\t-\n1\t5\t9\tGENE=A;GENE_ID=1;TRANSCRIPT=NM_1.1\t0\t-\n2\t5\t9\tB\t0\t+\n"
    )
    evidence = lock(kept(tmp_path, "coding-exons", text), "set")
    found = {transcript.id: transcript for transcript in transcripts_of(evidence, ["A", "B"])}
    assert {name: transcript.coding for name, transcript in found.items()} == {
        "NM_1.1": ((5, 9), (20, 29)),
        "NM_2.1": ((20, 29),),
        "B": ((5, 9),),
    }
    assert all(transcript.exons == transcript.coding for transcript in found.values())
    assert found["NM_1.1"].strand == "-"


def test_an_exon_of_several_genes_goes_to_the_transcripts_it_belongs_to(tmp_path: Path) -> None:
    """To transcripts with an exon of their own, whatever the strand; to each gene where there is none; to none where no strand tells."""
    text = "1\t0\t9\tGENE=A;GENE_ID=1;TRANSCRIPT=NM_1.1\t0\t+\n1\t10\t19\tGENE=A,B;GENE_ID=1,2;TRANSCRIPT=NM_1.1,NM_2.1\t0\t?\n"
    text += "1\t20\t29\tGENE=B;GENE_ID=2;TRANSCRIPT=NM_2.1\t0\t-\n1\t30\t39\tGENE=C,D;GENE_ID=3,4;TRANSCRIPT=NM_3.1\t0\t+\n"
    text += "1\t40\t49\tGENE=C,D;GENE_ID=3,4;TRANSCRIPT=NM_3.1\t0\t?\n"
    evidence = lock(kept(tmp_path, "coding-exons", text), "set")
    found = {(one.id, one.gene, one.strand): one.coding for one in transcripts_of(evidence, list("ABCD"))}
    assert found == {
        ("NM_1.1", "A", "+"): ((0, 9), (10, 19)),
        ("NM_2.1", "B", "-"): ((10, 19), (20, 29)),
        ("C", "C", "+"): ((30, 39),),
        ("D", "D", "+"): ((30, 39),),
    }


def test_a_transcript_in_two_places_has_an_id_in_each(tmp_path: Path) -> None:
    """As RefSeq gives those of the pseudoautosomal regions."""
    text = "".join(f"{contig}\t5\t9\tGENE=A;GENE_ID=1;TRANSCRIPT=NM_1.1\t0\t+\n" for contig in "YX")
    found = transcripts_of(lock(kept(tmp_path, "coding-exons", text), "set"), ["A"])
    assert sorted((transcript.contig, transcript.id) for transcript in found) == [("X", "NM_1.1"), ("Y", "NM_1.1_2")]
    gff = "".join(
        f"{contig}\tr\tgene\t1\t90\t.\t+\t.\tID=gene-A{contig};Name=A\n"
        f"{contig}\tr\tmRNA\t1\t90\t.\t+\t.\tID=rna-{contig};Parent=gene-A{contig};transcript_id=NM_1.1\n"
        f"{contig}\tr\texon\t1\t90\t.\t+\t.\tParent=rna-{contig}\n"
        for contig in "XY"
    )
    (tmp_path / "gff").mkdir()
    found = transcripts_of(lock(kept(tmp_path / "gff", "genes", gff), "set"), ["A"])
    assert sorted((transcript.contig, transcript.id) for transcript in found) == [("X", "NM_1.1"), ("Y", "NM_1.1_2")]


def test_definitions_of_named_alleles_come_out_of_a_set_as_they_went_in(tmp_path: Path) -> None:
    release = tmp_path / "release" / "definition"
    release.mkdir(parents=True)
    (release / "A_translation.json").write_text("{}")
    (release.parent / "phenotype.json").write_text("[1]")
    add(tmp_path / "E", "pgx-definitions", release.parent, release=Release("pharmcat", "3.1.1", "2025-11-05", "CC-BY-SA-4.0", None))
    evidence = lock(tmp_path / "E", "set")
    with tables_folder(tmp_path / "E" / "set") as (folder, told):
        assert (folder / "definition" / "A_translation.json").read_text() == "{}"
        assert (folder / "phenotype.json").read_text() == "[1]"
    assert told == [f"evidence set set (sha256:{evidence.digest})"]
    assert not folder.exists()
    with tables_folder(release) as (folder, told):
        assert (folder, told) == (release, [])


def test_a_set_without_definitions_and_a_folder_without_tables_are_refused(tmp_path: Path) -> None:
    lock(kept(tmp_path, "gene-list", "A\n"), "set")
    with pytest.raises(BadInput, match="has no definitions of named alleles"), tables_folder(tmp_path / "E" / "set"):
        pass
    with pytest.raises(BadInput, match="no definition tables"):
        add(tmp_path / "E", "pgx-definitions", tmp_path / "E", release=Release("p", "1", "2025-11-05", "CC0", None))
    with pytest.raises(BadInput, match="a folder; wanted a file"):
        add(tmp_path / "E", "gene-list", tmp_path / "E", release=Release("p", "1", "2025-11-05", "CC0", None))


TEXTS = st.text(alphabet='ACGT01259.chrXM,|;:=\t\n#{}"[]ab\x00é', max_size=300)
STARTS = ("", HPOA, REVEL, ALPHAMISSENSE, CADD, SPLICEAI, PANELAPP, HGNC, "gene\tconfidence\tinheritance\n", '{"name": "x", "genes": [')


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from([kind for kind in KINDS if kind != "pgx-definitions"]),
    start=st.sampled_from(STARTS),
    text=TEXTS,
    zipped=st.booleans(),
)
def test_whatever_the_file_it_is_taken_or_refused_as_bad_input(
    tmp_path_factory: pytest.TempPathFactory, kind: str, start: str, text: str, zipped: bool
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    content = (start + text).encode()
    (folder / "file").write_bytes(gzip.compress(content) if zipped else content)
    try:
        dataset = add(folder / "E", kind, folder / "file", release=Release("x", "1", "2026-01-01", "CC0", "GRCh38"))
    except BadInput:
        return
    assert dataset.records == pq.ParquetFile(folder / "E/objects" / dataset.object[:2] / dataset.object[2:]).metadata.num_rows


def test_every_kind_is_told_in_the_help() -> None:
    told = CliRunner().invoke(genopipe, ["evidence", "add", "--help"]).output.replace("\n", " ")
    assert not [kind for kind in KINDS if kind not in told]
