"""What may be called from: CRAM and CSI give what BAM and BAI give; duplicates, low mapping qualities and overlapping mates count as they
should; what is not whole, not indexed, or not clear is refused and leaves nothing."""

from __future__ import annotations

import gzip
from dataclasses import replace

import numpy as np
import pysam
import pytest

from genopipe.call.caller import Outputs, Sample, call_variants
from genopipe.call.settings import DEFAULT
from genopipe.errors import BadInput
from genopipe.formats.bam_index import open_bam
from genopipe.formats.bam_reader import read_stretch
from genopipe.formats.cram_stretch import open_cram
from genopipe.formats.genome import build_genome, fasta_path
from tests.call.conftest import Person, build_world, change, write_reads
from tests.call.test_caller import records, refused


@pytest.fixture(scope="module")
def donor_cram(world, donor_bam, tmp_path_factory):
    path = tmp_path_factory.mktemp("cram") / "donor.cram"
    pysam.view("-C", "-T", str(fasta_path(world.reference)), "-o", str(path), str(donor_bam), catch_stdout=False)
    pysam.index(str(path))
    return path


def copied(source, folder, *, name=None, index=True):
    path = folder / (name or source.name)
    path.write_bytes(source.read_bytes())
    for suffix in (".bai", ".crai") if index else ():
        beside = source.with_name(source.name + suffix)
        if beside.exists():
            path.with_name(path.name + suffix).write_bytes(beside.read_bytes())
    return path


def test_a_cram_is_called_like_the_bam(world, donor_cram, donor_calls, tmp_path):
    call_variants(world.reference, donor_cram, Outputs(tmp_path / "x.vcf.gz", tmp_path / "x.g.vcf.gz"), threads=2)
    assert (tmp_path / "x.vcf.gz").read_bytes() == donor_calls.vcf.read_bytes()
    assert (tmp_path / "x.g.vcf.gz").read_bytes() == donor_calls.gvcf.read_bytes()


def test_a_bam_with_a_csi_is_called_like_with_a_bai(world, donor_bam, donor_calls, tmp_path):
    path = copied(donor_bam, tmp_path, name="x.bam", index=False)
    pysam.index("-c", str(path))
    call_variants(world.reference, path, Outputs(tmp_path / "x.vcf.gz"))
    assert (tmp_path / "x.vcf.gz").read_bytes() == donor_calls.vcf.read_bytes()


@pytest.mark.parametrize("shift", [12, 14, 17])
def test_every_stretch_by_a_csi_is_the_one_by_the_bai(shift, donor_bam, tmp_path):
    path = copied(donor_bam, tmp_path, name="x.bam", index=False)
    pysam.index("-c", "-m", str(shift), str(path))
    one, other = open_bam(donor_bam), open_bam(path)
    assert one.has_reads == other.has_reads
    for start in (0, 5_000, 16_383, 16_384, 40_000, 65_000, 69_990):
        reads = [read_stretch(bam, 0, start=start, end=start + 300).name_hash for bam in (one, other)]
        assert np.array_equal(*reads)
        assert len(reads[0])


def test_a_csi_that_is_none(donor_bam, tmp_path):
    path = copied(donor_bam, tmp_path, name="x.bam", index=False)
    pysam.index("-c", str(path))
    index = tmp_path / "x.bam.csi"
    whole = gzip.decompress(index.read_bytes())
    for text in (whole[:40], b"XYZ\1" + whole[4:], whole[:5] + b"\xff" * 30):
        with pysam.BGZFile(str(index), "wb") as file:
            file.write(text)
        with pytest.raises(BadInput, match=r"x\.bam\.csi: the index cannot be read.*samtools index"):
            open_bam(path)


def test_a_bam_without_an_index(world, donor_bam, tmp_path):
    refused(world, copied(donor_bam, tmp_path, name="x.bam", index=False), tmp_path, r"the BAM has no index; wanted x\.bam\.bai or \.csi")


def test_the_index_of_another_bam(world, donor_bam, tmp_path):
    path = copied(donor_bam, tmp_path, name="x.bam")
    other = write_reads(world, Person("other", ([], [])), tmp_path / "other.bam", depth=20, seed=9)
    (tmp_path / "x.bam.bai").write_bytes(other.with_name("other.bam.bai").read_bytes())
    refused(world, path, tmp_path, r"no sound block begins at byte \d+, where the index says one does.*samtools index x\.bam")


def test_a_cram_without_an_index(world, donor_cram, tmp_path):
    refused(world, copied(donor_cram, tmp_path, name="x.cram", index=False), tmp_path, r"the CRAM has no index; wanted x\.cram\.crai")


def test_a_cram_with_a_bad_index(world, donor_cram, tmp_path):
    path = copied(donor_cram, tmp_path, name="x.cram")
    (tmp_path / "x.cram.crai").write_text("no index")
    refused(world, path, tmp_path, "the index cannot be read")


@pytest.mark.parametrize("name", ["x.bam", "x.cram"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_cut_short(name, share, world, donor_bam, donor_cram, tmp_path):
    path = copied(donor_bam if name == "x.bam" else donor_cram, tmp_path, name=name)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(world, path, tmp_path, f"the file ends at byte {path.stat().st_size} without the end-of-file")


def test_a_cram_cut_short_inside(world, donor_cram, tmp_path, capfd):
    """The end is there, the middle is not. Only our own error tells it."""
    path = copied(donor_cram, tmp_path, name="x.cram")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(2000) + data[len(data) // 2 + 2000 :])
    refused(world, path, tmp_path, r"the records from chr1:[\d,]+ on cannot be decoded")
    assert "::" not in capfd.readouterr().err


def test_a_cram_that_is_none(world, tmp_path):
    (tmp_path / "x.cram").write_bytes(b"CRAM\3\0 and nothing more")
    with pytest.raises(BadInput, match="without the end-of-file container"):
        open_cram(tmp_path / "x.cram", fasta_path(world.reference))


def test_a_cram_whose_contigs_go_by_other_names_is_called_like_the_bam(world, donor_cram, donor_calls, tmp_path):
    """The same sequences under the names of Ensembl, of which only the digests say that they are the same."""
    (tmp_path / "other").mkdir()
    fasta = tmp_path / "genome.fa"
    fasta.write_text(world.fasta.read_text().replace(">chr1", ">one").replace(">chrX", ">X").replace(">chrM", ">MT"))
    build_genome(fasta, tmp_path / "other", name="renamed")
    call_variants(tmp_path / "other", donor_cram, Outputs(tmp_path / "x.vcf.gz"), sample=Sample("donor"))
    names = {"one": "chr1", "X": "chrX", "MT": "chrM"}
    found = [line.split("\t", 1) for line in records(tmp_path / "x.vcf.gz")]
    assert [f"{names[name]}\t{rest}" for name, rest in found] == records(donor_calls.vcf) != []


def test_a_cram_of_another_reference(world, donor_cram, tmp_path):
    (tmp_path / "other").mkdir()
    other = build_world(tmp_path / "other", {"1": 70_000, "X": 8_000, "MT": 4_000}, seed=6)
    refused(other, donor_cram, tmp_path, "chr1 has the MD5 .* in the BAM and .* in the reference")


def rewritten(source, path, head=None, alter=lambda record: [record]):
    """The BAM with another header, and with the records that `alter` makes of each."""
    with pysam.AlignmentFile(str(source)) as old, pysam.AlignmentFile(str(path), "wb", header=head or old.header) as new:
        for record in old:
            for changed in alter(record):
                new.write(changed)
    pysam.index(str(path))
    return path


def header_of(path):
    with pysam.AlignmentFile(str(path)) as file:
        return file.header.to_dict()


def test_a_bam_without_reads_is_told_and_nothing_in_it_is_callable(world, donor_bam, tmp_path, caplog):
    bam = rewritten(donor_bam, tmp_path / "x.bam", alter=lambda record: [])
    with caplog.at_level("WARNING", logger="genopipe"):
        call_variants(world.reference, bam, Outputs(tmp_path / "x.vcf.gz"))
    assert "no read counts as evidence, so nothing can be called" in caplog.text
    assert records(tmp_path / "x.vcf.gz") == []
    lines = [line.split("\t") for line in (tmp_path / "x.uncallable.bed").read_text().splitlines()]
    assert {line[3] for line in lines} == {"no_reads"}
    assert sum(int(line[2]) - int(line[1]) for line in lines) == sum(map(len, world.sequences.values()))


def test_an_unsorted_bam(world, donor_bam, tmp_path):
    head = header_of(donor_bam)
    head["HD"]["SO"] = "queryname"
    refused(world, rewritten(donor_bam, tmp_path / "x.bam", head), tmp_path, "the reads are in the order 'queryname'.*samtools sort")


def test_reads_without_a_sample(world, donor_bam, donor_calls, tmp_path):
    head = header_of(donor_bam)
    del head["RG"]
    bam = rewritten(donor_bam, tmp_path / "x.bam", head)
    refused(world, bam, tmp_path, "no read group of the BAM names a sample; wanted one sample")
    call_variants(world.reference, bam, Outputs(tmp_path / "x.vcf.gz"), sample=Sample("donor"))
    assert records(tmp_path / "x.vcf.gz") == records(donor_calls.vcf)


def test_one_of_two_samples(world, donor_bam, donor_calls, tmp_path):
    """The other sample's reads, the same with another base everywhere, are no evidence."""
    head = header_of(donor_bam)
    head["RG"].append({"ID": "h", "SM": "other"})

    def doubled(record):
        other = pysam.AlignedSegment.from_dict(record.to_dict(), record.header)
        other.query_name, qualities = record.query_name + "h", record.query_qualities
        other.query_sequence = record.query_sequence.translate(str.maketrans("ACGT", "CGTA"))
        other.query_qualities = qualities
        other.set_tag("RG", "h")
        return [record, other]

    bam = rewritten(donor_bam, tmp_path / "x.bam", head, doubled)
    refused(world, bam, tmp_path, "the BAM holds the samples donor, other; wanted one sample.*--sample")
    refused(world, bam, tmp_path, "the BAM holds no sample 'nobody'", sample=Sample("nobody"))
    call_variants(world.reference, bam, Outputs(tmp_path / "x.vcf.gz"), sample=Sample("donor"), region="chr1:1-30000")
    inside = [line for line in records(donor_calls.vcf) if line.startswith("chr1\t") and int(line.split("\t")[1]) <= 30_000]
    assert records(tmp_path / "x.vcf.gz") == inside


@pytest.mark.parametrize(("flag", "quality"), [(0x400, 60), (0x100, 60), (0x800, 60), (0x200, 60), (0, 19)])
def test_reads_that_are_no_evidence(flag, quality, world, tmp_path):
    """Reads that show a variant, as duplicates, other alignments, failed or badly placed reads, change nothing."""
    variant = change(world, "chrX", 4000, "snv")
    shown = write_reads(world, Person("x", ([variant],)), tmp_path / "shown.bam", depth=30, only="chrX")
    plain = write_reads(world, Person("x", ([],)), tmp_path / "plain.bam", depth=30, only="chrX", seed=2)

    def marked(record):
        record.flag, record.mapping_quality, record.query_name = record.flag | flag, quality, record.query_name + "m"
        return [record]

    rewritten(shown, tmp_path / "marked.bam", alter=marked)
    pysam.merge("-f", str(tmp_path / "x.bam"), str(plain), str(tmp_path / "marked.bam"))
    pysam.index(str(tmp_path / "x.bam"))
    for name, expected in (("x", []), ("shown", [4000])):
        call_variants(world.reference, tmp_path / f"{name}.bam", Outputs(tmp_path / f"{name}.vcf.gz"), region="chrX")
        with pysam.VariantFile(str(tmp_path / f"{name}.vcf.gz")) as file:
            assert [record.start for record in file] == expected


def test_overlapping_mates_count_once(world, tmp_path):
    """Every read a second time, as its own mate: depth, allele depths and likelihoods stay."""
    variant = change(world, "chrX", 4000, "snv")
    once = write_reads(world, Person("x", ([variant], [])), tmp_path / "once.bam", depth=30, only="chrX")

    def with_mate(record):
        mate = pysam.AlignedSegment.from_dict(record.to_dict(), record.header)
        record.flag, mate.flag = record.flag | 0x41, (record.flag ^ 0x10) | 0x81
        return [record, mate]

    rewritten(once, tmp_path / "twice.bam", alter=with_mate)
    lines = []
    for name in ("once", "twice"):
        call_variants(world.reference, tmp_path / f"{name}.bam", Outputs(tmp_path / f"{name}.vcf.gz"), region="chrX")
        with pysam.VariantFile(str(tmp_path / f"{name}.vcf.gz")) as file:
            lines.append([(r.start, r.samples[0]["GT"], r.samples[0]["AD"], r.samples[0]["DP"]) for r in file])
    assert lines[0] == lines[1] != []


def test_what_was_tried_and_where_not_all_counted_is_told(world, donor_bam, tmp_path, caplog):
    with caplog.at_level("INFO", logger="genopipe"):
        few = replace(DEFAULT, max_fragments=20, max_events=1)
        call_variants(world.reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"), region="chr1:1-60000", settings=few)
    assert "2 simple sites and 4 regions compared" in caplog.text
    assert "4 regions were compared by 20 of their fragments, 2 by 1 of their events" in caplog.text
