"""Families: trios judged together, alleles of several files brought together, and clear errors."""

from __future__ import annotations

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genopipe.call import joint
from genopipe.call.bias import strand_odds
from genopipe.call.caller import Outputs, call_variants
from genopipe.call.family import Trio, inheritance_cost, judge_trio
from genopipe.call.joint import joint_genotypes
from genopipe.call.ploidy import copies_at
from genopipe.call.sites import fisher_phred
from genopipe.errors import BadInput
from genopipe.formats.gvcf import open_gvcf, parsed, read_gvcf
from genopipe.formats.vcf import VcfContig, header, vcf_writer
from tests.call.conftest import Person, build_world, change, write_reads
from tests.oracles import genotype as oracle

PL = st.lists(st.integers(0, 200), min_size=3, max_size=3).map(lambda values: tuple(v - min(values) for v in values))
CONTIGS = [VcfContig("c", 1000, "0" * 32), VcfContig("chrX", 500, None)]
KINDS = (
    "FILTER/LowQual",
    "FILTER/StrandBias",
    "ALT/NON_REF",
    "INFO/END",
    *(f"FORMAT/{name}" for name in ("GT", "AD", "DP", "GQ", "PL", "SB")),
)
HET = "0/1:15,15,0:30:99:600,0,600,700,700,900"


@given(PL, PL, PL)
def test_a_trio_is_judged_as_by_enumeration(father, mother, child):
    verdict = judge_trio(Trio(father, mother, child, (2, 2, 2), False), 2)
    triple, new = oracle.trio(father, mother, child, population=30_000, new=65_000)
    index = [(0, 0), (0, 1), (1, 1)].index
    cost = lambda t: father[t[0]] + mother[t[1]] + child[t[2]]  # noqa: E731
    ours = tuple(index(genotype) for genotype in verdict.genotypes)
    assert ours == triple or abs(cost(ours) - cost(triple)) < 40
    assert abs(verdict.new - min(new, 99)) <= 1


def test_clear_parents_make_a_new_allele():
    verdict = judge_trio(Trio((0, 90, 900), (0, 90, 900), (700, 0, 700), (2, 2, 2), False), 2)
    assert verdict.genotypes == ((0, 0), (0, 0), (0, 1))
    assert verdict.new == 58


def test_a_doubtful_parent_is_the_likelier_source():
    verdict = judge_trio(Trio((0, 3, 40), (0, 90, 900), (700, 0, 700), (2, 2, 2), False), 2)
    assert verdict.genotypes == ((0, 1), (0, 0), (0, 1))
    assert verdict.new == 0


def test_parents_with_few_reads_leave_open_whether_an_allele_is_new():
    """Ten reads of the reference in one parent: that it hands on an unseen allele is about as likely as a new one."""
    told = [judge_trio(Trio((0, pl, 400), (0, 90, 900), (300, 0, 300), (2, 2, 2), False), 2) for pl in (24, 30, 42)]
    assert [verdict.new for verdict in told] == [1, 2, 10]
    assert [verdict.genotypes[0] for verdict in told] == [(0, 1), (0, 1), (0, 0)]


def test_a_sons_x_comes_from_his_mother():
    assert inheritance_cost((1,), (0, 0), (1,)) is None
    assert inheritance_cost((0,), (0, 1), (1,)) == 3010
    assert inheritance_cost((1,), (0, 0), (1,), haploid_from="paternal") == 0
    assert inheritance_cost((1,), (0, 0), (0, 1)) == 0


def gvcf(folder, sample, lines, contigs=CONTIGS):
    path = folder / f"{sample}.g.vcf.gz"
    with vcf_writer(path, header(contigs, [sample], KINDS)) as write:
        for line in lines:
            write("\t".join(line.split()) + "\n")
    return path


def records(path):
    opened = open_gvcf(path)
    return [parsed(opened, line) for line in read_gvcf(opened)]


def block(start, end, quality=90, likelihood="0,90,900"):
    return f"c {start} . A <NON_REF> . . END={end} GT:DP:GQ:PL 0/0:30:{quality}:{likelihood}"


def family(folder, child, father, mother, ped="F kid dad mom 1 2\nF dad 0 0 1 1\nF mom 0 0 2 1\n"):
    (folder / "f.ped").write_text(ped.replace(" ", "\t"))
    paths = [gvcf(folder, name, lines) for name, lines in (("kid", child), ("dad", father), ("mom", mother))]
    joint_genotypes(paths, folder / "f.ped", folder / "f.vcf.gz")
    with pysam.VariantFile(str(folder / "f.vcf.gz")) as file:
        return [(r.pos, r.alleles, [s["GT"] for s in r.samples.values()], r.samples["kid"]["DNM"], dict(r.info)) for r in file]


def variant(position, ref="A", alt="T", sample=HET):
    return f"c {position} . {ref} {alt},<NON_REF> 300 PASS . GT:AD:DP:GQ:PL {sample}"


def test_a_new_variant_is_marked_and_counted(tmp_path, caplog):
    caplog.set_level("INFO", logger="genopipe")
    found = family(tmp_path, [block(1, 9), variant(10), block(11, 99)], [block(1, 99)], [block(1, 99)])
    assert found == [(10, ("A", "T"), [(0, 1), (0, 0), (0, 0)], 58, {"AC": (1,), "AN": 6, "MENDEL": 1})]
    assert "1 records; 1 de novo alleles; 1 genotypes against Mendel's rules" in caplog.text


@pytest.mark.parametrize(
    ("kid", "mom", "expected"),
    [
        ("StrandBias", "PASS", ["PASS"]),
        ("StrandBias", "StrandBias", ["StrandBias"]),
        ("LowQual", "StrandBias", ["LowQual", "StrandBias"]),
        ("LowQual;StrandBias", "someone_elses", ["LowQual", "StrandBias"]),
    ],
)
def test_a_record_fails_what_it_fails_in_everyone(kid, mom, expected, tmp_path):
    lines = [[variant(10).replace("PASS", filters)] for filters in (kid, mom)]
    family(tmp_path, lines[0], [block(1, 99)], lines[1])
    with pysam.VariantFile(str(tmp_path / "f.vcf.gz")) as file:
        assert [list(record.filter) for record in file] == [expected]


def test_strand_bias_is_that_of_the_reads_of_everyone_with_the_variant(tmp_path):
    """Tables 8, 7, 15, 0 and 7, 8, 5, 10 together; the father's reads show no variant."""
    lines = []
    for strand in ("8,7,15,0", "7,8,5,10"):
        line = variant(10).replace("PL 0/1", "PL:SB 0/1")
        lines.append([f"{line}:{strand}"])
    info = family(tmp_path, lines[0], [block(1, 99)], lines[1])[0][4]
    assert (info["FS"], info["SOR"]) == (fisher_phred(15, 15, 20, 10), pytest.approx(strand_odds(15, 15, 20, 10), abs=6e-4))


def test_an_inherited_variant_is_not(tmp_path):
    found = family(tmp_path, [variant(10)], [block(1, 99)], [variant(10)])
    assert found == [(10, ("A", "T"), [(0, 1), (0, 0), (0, 1)], None, {"AC": (2,), "AN": 6})]


def test_alleles_of_different_length_share_a_record(tmp_path):
    found = family(tmp_path, [variant(10, "ACC", "A")], [variant(10, "AC", "A")], [block(1, 99)])
    assert [(alleles, genotypes) for _, alleles, genotypes, _, _ in found] == [(("ACC", "A", "AC"), [(0, 1), (0, 2), (0, 0)])]


def depths(folder):
    with pysam.VariantFile(str(folder / "f.vcf.gz")) as file:
        return [[sample["AD"] for sample in record.samples.values()] for record in file]


def test_a_block_tells_no_depth_of_an_allele(tmp_path):
    """The child's block holds it for a carrier as likely as not, and the mother is one."""
    found = family(tmp_path, [block(1, 99, 0, "3,0,300")], [block(1, 99)], [variant(10)])
    assert found[0][2] == [(0, 1), (0, 0), (0, 1)]
    assert depths(tmp_path) == [[(None,), (30, 0), (15, 15)]]


def test_few_lines_are_held_of_a_file_without_variants(tmp_path, monkeypatch):
    """Blocks of every base, walked one line at a time, give what those of longer stretches do."""
    lines = [[variant(40), block(41, 99)], [block(1, 30), variant(60, "AC", "A"), block(62, 99)], [block(1, 99)]]
    expected = family(tmp_path, *lines)
    monkeypatch.setattr(joint, "_MOST_AHEAD", 1)
    assert family(tmp_path, *lines[:2], [block(i, i) for i in range(1, 100)]) == expected
    assert [(position, genotypes) for position, _, genotypes, _, _ in expected] == [
        (40, [(0, 1), (None, None), (0, 0)]),
        (60, [(0, 0), (0, 1), (0, 0)]),
    ]


def test_what_a_deletion_lies_over_is_its_allele_there(tmp_path):
    """The father has one deletion over the variant, the mother two; the last deleted base counts, the one behind does not."""
    one = variant(8, "GACT", "G", "0|1:12,18,0:30:99:500,0,400,700,800,900").replace("PL 0|1", "PL:PS 0|1") + ":8"
    two = variant(8, "GACT", "G", "1/1:0,30,0:30:80:900,80,0,990,95,999")
    found = family(tmp_path, [variant(11), variant(12)], [one, block(12, 99)], [two, block(12, 99)])
    told = {position: (alleles, genotypes) for position, alleles, genotypes, _, _ in found}
    assert told[11] == (("A", "T", "*"), [(0, 1), (0, 2), (2, 2)])
    assert told[12] == (("A", "T"), [(0, 1), (0, 0), (0, 0)])
    assert depths(tmp_path)[1] == [(15, 15, 0), (12, 0, 18), (0, 0, 30)]
    with pysam.VariantFile(str(tmp_path / "f.vcf.gz")) as file:
        dad = next(record for record in file if record.pos == 11).samples["dad"]
    assert (dad["PL"], dad.phased, dad["PS"]) == ((500, 700, 900, 0, 800, 400), True, 8)


def test_a_new_deletion_makes_no_new_variant_of_what_it_lies_over(tmp_path):
    new = variant(8, "GACT", "G", "0/1:15,15,0:30:99:600,0,600,700,700,900")
    found = family(tmp_path, [new], [block(1, 99)], [block(1, 9), variant(10), block(11, 99)])
    assert [(alleles, genotypes, bool(dnm)) for _, alleles, genotypes, dnm, _ in found] == [
        (("GACT", "G"), [(0, 1), (0, 0), (0, 0)], True),
        (("A", "T", "*"), [(0, 2), (0, 0), (0, 1)], False),
    ]


def test_a_sample_without_anything_there_has_no_genotype(tmp_path):
    found = family(tmp_path, [variant(10)], [block(50, 99)], [variant(10)])
    assert found[0][2] == [(0, 1), (None, None), (0, 1)]


def test_a_weak_call_that_the_parents_contradict_goes_away(tmp_path):
    weak = "0/1:25,5,0:30:20:20,0,300,90,400,900"
    assert family(tmp_path, [variant(10, sample=weak)], [block(1, 99)], [block(1, 99)]) == []


def test_a_simulated_family(tmp_path):
    """A de novo SNV, one variant of each parent, one of both; the child has one haplotype of each parent."""
    world = build_world(tmp_path, {"chr1": 3000})
    both, fathers, mothers = change(world, "chr1", 500, "snv"), change(world, "chr1", 900, "del", "xx"), change(world, "chr1", 1300, "snv")
    new = change(world, "chr1", 1700, "snv")
    people = [
        Person("dad", (sorted([both, fathers]), [])),
        Person("mom", (sorted([both, mothers]), [])),
        Person("kid", (sorted([both, fathers, new]), sorted([both, mothers]))),
    ]
    paths = []
    for seed, person in enumerate(people):
        bam = write_reads(world, person, tmp_path / f"{person.name}.bam", seed=seed)
        call_variants(world.reference, bam, Outputs(tmp_path / "x.vcf.gz", tmp_path / f"{person.name}.g.vcf.gz"))
        paths.append(tmp_path / f"{person.name}.g.vcf.gz")
    (tmp_path / "f.ped").write_text("F\tkid\tdad\tmom\t1\t2\nF\tdad\t0\t0\t1\t1\nF\tmom\t0\t0\t2\t1\n")
    joint_genotypes(paths, tmp_path / "f.ped", tmp_path / "f.vcf.gz")
    with pysam.VariantFile(str(tmp_path / "f.vcf.gz")) as file:
        found = {(r.start, r.ref, r.alts[0]): ([s["GT"] for s in r.samples.values()], r.samples["kid"]["DNM"]) for r in file}
    assert found.pop(new[1:])[1] > 20
    assert found == {
        both[1:]: ([(0, 1), (0, 1), (1, 1)], None),
        fathers[1:]: ([(0, 1), (0, 0), (0, 1)], None),
        mothers[1:]: ([(0, 0), (0, 1), (0, 1)], None),
    }


def on_x(line):
    return line.replace("c ", "chrX ", 1)


SON = "F kid dad mom 1 2\nF dad 0 0 1 1\nF mom 0 0 2 1\n"
DAUGHTER = SON.replace("kid dad mom 1", "kid dad mom 2")


def test_a_son_called_without_his_sex_has_one_x(tmp_path):
    """Fourteen reads of 14 show the mother's allele, and two copies would be likelier as 0/1 by the parents' genotypes."""
    son = variant(10, sample="1/1:0,14,0:14:42:573,42,0,573,42,573")
    found = family(tmp_path, [on_x(son)], [on_x(block(1, 99))], [on_x(variant(10))], ped=SON)
    assert found == [(10, ("A", "T"), [(1,), (0,), (0, 1)], None, {"AC": (2,), "AN": 4})]


def test_the_likelihoods_of_one_copy_are_those_of_the_homozygous(tmp_path):
    son = variant(10, sample="0/1:9,5,0:14:99:120,0,310,147,325,470")
    family(tmp_path, [on_x(son)], [on_x(block(1, 99))], [on_x(variant(10))], ped=SON)
    with pysam.VariantFile(str(tmp_path / "f.vcf.gz")) as file:
        assert [tuple(sample["PL"]) for sample in next(file).samples.values()] == [(0, 190), (0, 900), (600, 0, 600)]


def test_a_daughter_keeps_both(tmp_path):
    found = family(tmp_path, [on_x(variant(10))], [on_x(block(1, 99))], [on_x(variant(10))], ped=DAUGHTER)
    assert found[0][2] == [(0, 1), (0,), (0, 1)]


def test_a_parent_of_unknown_sex_has_that_of_a_parent(tmp_path):
    found = family(tmp_path, [on_x(variant(10))], [on_x(block(1, 99))], [on_x(variant(10))], ped=DAUGHTER.replace("dad 0 0 1", "dad 0 0 0"))
    assert found[0][2] == [(0, 1), (0,), (0, 1)]


def test_without_a_sex_the_copies_of_the_gvcf_stay(tmp_path):
    (tmp_path / "f.ped").write_text("F\tkid\t0\t0\t0\t2\n")
    joint_genotypes([gvcf(tmp_path, "kid", [on_x(variant(10))])], tmp_path / "f.ped", tmp_path / "f.vcf.gz")
    with pysam.VariantFile(str(tmp_path / "f.vcf.gz")) as file:
        assert next(file).samples["kid"]["GT"] == (0, 1)


@pytest.mark.parametrize(("length", "position", "copies"), [(156_040_895, 2_781_478, 2), (156_040_895, 2_781_479, 1), (500, 20_000, 1)])
def test_the_pseudoautosomal_regions_have_two_copies(length, position, copies):
    contig = VcfContig("chrX", length, None)
    assert copies_at(contig, position, "male") == copies
    assert copies_at(contig, position, "female") == 2


def test_nobody_female_has_a_y(tmp_path):
    contigs = [VcfContig("chrY", 500, None)]
    on_y = [variant(10, sample="1/1:0,14,0:14:42:573,42,0,573,42,573").replace("c ", "chrY ", 1)]
    empty = ["chrY 1 . A <NON_REF> . . END=99 GT:DP:GQ:PL 0/0:0:0:0,0,0"]
    (tmp_path / "f.ped").write_text(SON.replace(" ", "\t"))
    paths = [gvcf(tmp_path, name, lines, contigs) for name, lines in (("kid", on_y), ("dad", on_y), ("mom", empty))]
    joint_genotypes(paths, tmp_path / "f.ped", tmp_path / "f.vcf.gz")
    with pysam.VariantFile(str(tmp_path / "f.vcf.gz")) as file:
        (line,) = (str(record).split("\t") for record in file)
    assert [sample.split(":")[0] for sample in line[9:]] == ["1", "1", "."]
    assert line[7] == "AC=2;AN=2"


def test_a_sample_without_reads_has_no_genotype(tmp_path):
    """The mother has no read; the sure genotypes of child and father would make her a carrier."""
    unread = "c 1 . A <NON_REF> . . END=99 GT:DP:GQ:PL 0/0:0:0:0,0,0"
    found = family(tmp_path, [variant(10)], [block(1, 99)], [unread])
    assert found == [(10, ("A", "T"), [(0, 1), (0, 0), (None, None)], None, {"AC": (1,), "AN": 4})]
    assert family(tmp_path, [variant(10, sample="0/1:0,0,0:0:9:20,0,30,30,40,60")], [block(1, 99)], [unread]) == []


@pytest.mark.parametrize("name", ["kid", "mom"])
def test_one_copy_for_a_female(tmp_path, name):
    haploid = ["chrX 10 . A T,<NON_REF> 300 PASS . GT:AD:DP:GQ:PL 1:0,15,0:15:99:600,0,600"]
    lines = {"kid": [on_x(variant(10))], "mom": [on_x(variant(10))], name: haploid}
    with pytest.raises(BadInput, match=rf"{name}\.g\.vcf\.gz: chrX:10 of {name} was called with one copy, and the pedigree says female"):
        family(tmp_path, lines["kid"], [on_x(block(1, 99))], lines["mom"], ped=DAUGHTER)
    assert not (tmp_path / "f.vcf.gz").exists()


def test_a_pedigree_without_a_sample(tmp_path):
    with pytest.raises(BadInput, match=r"f\.ped: sample dad of dad\.g\.vcf\.gz is not in the pedigree; wanted one of kid, mom"):
        family(tmp_path, [variant(10)], [block(1, 99)], [block(1, 99)], ped="F kid 0 mom 1 2\nF mom 0 0 2 1\n")
    assert not (tmp_path / "f.vcf.gz").exists()


def test_an_output_that_is_an_input_is_refused(tmp_path):
    path = gvcf(tmp_path, "kid", [block(1, 99)])
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"kid\.g\.vcf\.gz: the output is one of the gVCFs; wanted a file of its own"):
        joint_genotypes([path], tmp_path / "f.ped", path)
    assert path.read_bytes() == before


def test_a_sample_given_twice(tmp_path):
    path = gvcf(tmp_path, "kid", [block(1, 99)])
    (tmp_path / "f.ped").write_text("F\tkid\t0\t0\t1\t2\n")
    with pytest.raises(BadInput, match="sample kid twice; wanted one gVCF a sample"):
        joint_genotypes([path, path], tmp_path / "f.ped", tmp_path / "f.vcf.gz")


@pytest.mark.parametrize(
    ("contigs", "expected"),
    [
        ([VcfContig("c", 999, "0" * 32), CONTIGS[1]], r"contig c \(999 bases, MD5 0+\) differs from kid\.g\.vcf\.gz"),
        (CONTIGS[:1], r"1 contigs against 2 in kid\.g\.vcf\.gz; wanted gVCFs of one reference"),
    ],
)
def test_gvcfs_of_different_references(tmp_path, contigs, expected):
    paths = [gvcf(tmp_path, "kid", [block(1, 99)]), gvcf(tmp_path, "dad", [block(1, 99)], contigs)]
    (tmp_path / "f.ped").write_text("F\tkid\t0\t0\t1\t2\nF\tdad\t0\t0\t1\t1\n")
    with pytest.raises(BadInput, match=expected):
        joint_genotypes(paths, tmp_path / "f.ped", tmp_path / "f.vcf.gz")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["c 10 . A T 300 PASS . GT:AD:DP:GQ:PL 0/1:15,15:30:99:600,0,600"], "the last allele is T; wanted a gVCF, with <NON_REF>"),
        ([block(50, 60), block(10, 20)], "the records are not sorted"),
        (["d 10 . A <NON_REF> . . END=20 GT:DP:GQ:PL 0/0:30:90:0,90,900"], "the record cannot be read"),
        (["c 10 . A <NON_REF> . . END=20 GT:DP:GQ:PL 0/0:30:90:0,90"], "GT and PL do not fit the alleles"),
        (["c 10 . A"], "the record cannot be read"),
    ],
)
def test_a_damaged_gvcf(tmp_path, lines, expected):
    path = tmp_path / "x.g.vcf.gz"
    text = tmp_path / "x.vcf"
    text.write_text(header(CONTIGS, ["kid"], KINDS) + "".join("\t".join(line.split()) + "\n" for line in lines))
    pysam.tabix_compress(str(text), str(path))
    with pytest.raises(BadInput, match=expected):
        records(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (header(CONTIGS, ["kid", "dad"], KINDS), "the file holds 2 samples; wanted a gVCF of one sample"),
        ("nothing\n", "the file has no VCF header"),
        (header(CONTIGS, ["kid"], KINDS) + "c\t1", "the last line is cut short"),
        ("\xff\xfe\n", "the line is no text"),
    ],
)
def test_a_file_that_is_no_gvcf_of_one_sample(tmp_path, text, expected):
    (tmp_path / "x.vcf").write_bytes(text.encode("latin-1"))
    pysam.tabix_compress(str(tmp_path / "x.vcf"), str(tmp_path / "x.g.vcf.gz"))
    with pytest.raises(BadInput, match=expected):
        records(tmp_path / "x.g.vcf.gz")


def test_a_plain_text_file_is_no_gvcf(tmp_path):
    (tmp_path / "x.g.vcf").write_text(header(CONTIGS, ["kid"], KINDS))
    with pytest.raises(BadInput, match="the file is not compressed by BGZF"):
        open_gvcf(tmp_path / "x.g.vcf")
