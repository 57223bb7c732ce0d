"""From BAM to VCF: right genotypes, the same bytes whatever the threads and regions, clear errors that leave nothing behind."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace

import pysam
import pytest

from genopipe.call import caller
from genopipe.call.caller import Outputs, Sample, call_variants, wanted_spans
from genopipe.call.fit import fit
from genopipe.call.settings import DEFAULT
from genopipe.call.window_text import window_text
from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from genopipe.formats.genome import build_genome, load_genome
from tests.call.conftest import Person, build_world, called, change, truth_of, write_reads
from tests.counted_forks import forks_and_lines


def text_of(path):
    return gzip.decompress(path.read_bytes()).decode()


def records(path):
    return [line for line in text_of(path).splitlines() if not line.startswith("#")]


def test_every_variant_is_called_with_its_copies(donor, donor_calls):
    assert called(donor_calls.vcf) == truth_of(donor)


def test_the_gvcf_calls_the_same(donor, donor_calls):
    assert called(donor_calls.gvcf) == truth_of(donor)


def test_the_gvcf_covers_every_base_once_and_keeps_to_the_grid(donor_calls, world):
    covered = dict.fromkeys(world.sequences, 0)
    with pysam.VariantFile(str(donor_calls.gvcf)) as file:
        for record in file:
            assert record.start == covered[record.chrom]
            assert record.start // DEFAULT.window == (record.stop - 1) // DEFAULT.window or record.alts[0] != "<NON_REF>"
            covered[record.chrom] = record.stop
    assert covered == {name: len(sequence) for name, sequence in world.sequences.items()}


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_byte(threads, world, donor_bam, donor_calls, tmp_path):
    outputs = Outputs(tmp_path / "two.vcf.gz", tmp_path / "two.g.vcf.gz")
    call_variants(world.reference, donor_bam, outputs, threads=threads)
    assert outputs.vcf.read_bytes() == donor_calls.vcf.read_bytes()
    assert outputs.gvcf.read_bytes() == donor_calls.gvcf.read_bytes()
    assert outputs.uncallable.read_bytes() == donor_calls.uncallable.read_bytes()
    assert outputs.coverage.read_bytes() == donor_calls.coverage.read_bytes()


def test_workers_start_where_no_thread_is_and_things_are_told_once(world, donor_bam, tmp_path):
    """A thread may hold a lock that would stay locked in a forked process for ever; Python warns of it from 3.12 on."""
    told = []
    for threads, n_forks in ((1, 0), (3, 6)):
        given = ["--reference", world.reference, "-i", donor_bam, "-o", tmp_path / "x.vcf.gz", "--threads", threads]
        forks, lines = forks_and_lines("call", *given)
        assert forks == ["a fork among 1"] * n_forks
        told.append([re.sub(r"^\d\d:\d\d:\d\d |, [\d,]+ a second.*", "", line) for line in lines])
    assert told[0] == told[1]
    assert [line.split()[0] for line in told[0]] == ["learnt", "calling:", "9"]


@pytest.mark.parametrize("most_bases", [10_000, 90_000])
def test_slabs_do_not_change_a_byte(most_bases, world, donor_bam, donor_calls, tmp_path):
    """However few reads are looked at together: the records, and what is known of every base, are those of the whole window."""
    outputs = Outputs(tmp_path / "slabs.vcf.gz", tmp_path / "slabs.g.vcf.gz")
    call_variants(world.reference, donor_bam, outputs, settings=replace(DEFAULT, most_bases=most_bases))
    for path in (outputs.vcf, outputs.gvcf, outputs.uncallable, outputs.coverage):
        assert path.read_bytes() == donor_calls.vcf.with_name(path.name.replace("slabs", "donor")).read_bytes(), path.name


@pytest.mark.parametrize(
    "regions",
    [
        ("chr1:1-65,536", "chr1:65537-70000", "chrX", "chrM"),
        ("chr1:1-20004", "chr1:20005-20006", "chr1:20007-65531", "chr1:65532-70000", "chrX:1-2999", "chrX:3000-8000", "chrM"),
    ],
    ids=["along the grid", "in regions, phase sets, blocks and deletions"],
)
def test_regions_join_to_the_whole(regions, world, donor_bam, donor_calls, tmp_path):
    """Wherever a genome is cut, the records of the parts are those of the whole, byte for byte."""
    vcf, gvcf = [], []
    for region in regions:
        outputs = Outputs(tmp_path / "part.vcf.gz", tmp_path / "part.g.vcf.gz")
        call_variants(world.reference, donor_bam, outputs, region=region)
        vcf += records(outputs.vcf)
        gvcf += records(outputs.gvcf)
    assert vcf == records(donor_calls.vcf)
    assert gvcf == records(donor_calls.gvcf)


def test_any_region_gives_the_records_inside_it(world, donor_bam, donor_calls, tmp_path):
    call_variants(world.reference, donor_bam, Outputs(tmp_path / "part.vcf.gz"), region="chr1:5001-20001")
    inside = [line for line in records(donor_calls.vcf) if line.startswith("chr1\t") and 5001 <= int(line.split("\t")[1]) <= 20001]
    assert records(tmp_path / "part.vcf.gz") == inside != []


def test_the_x_of_a_male_has_one_copy(world, donor_bam, tmp_path):
    person = Person("boy", ([change(world, "chrX", 3000, "snv"), change(world, "chrX", 5000, "del", "xx")],))
    bam = write_reads(world, person, tmp_path / "boy.bam", depth=15, only="chrX")
    call_variants(world.reference, bam, Outputs(tmp_path / "boy.vcf.gz"), sample=Sample(sex="male"), region="chrX")
    with pysam.VariantFile(str(tmp_path / "boy.vcf.gz")) as file:
        assert [(record.start, record.samples[0]["GT"]) for record in file] == [(3000, (1,)), (5000, (1,))]


def test_a_mitochondrial_mixture_tells_its_share(world, tmp_path):
    variant = change(world, "chrM", 2000, "snv")
    person = Person("mixed", ([variant], [], [], []))
    bam = write_reads(world, person, tmp_path / "mixed.bam", depth=200, only="chrM")
    call_variants(world.reference, bam, Outputs(tmp_path / "mixed.vcf.gz"), region="chrM")
    with pysam.VariantFile(str(tmp_path / "mixed.vcf.gz")) as file:
        (record,) = list(file)
    assert record.samples[0]["GT"] == (0, 1)
    assert record.samples[0]["AF"][0] == pytest.approx(0.25, abs=0.08)


def test_bcftools_reads_both_files_without_a_warning(donor_calls, world):
    for path in (donor_calls.vcf, donor_calls.gvcf):
        program = "import sys, pysam.bcftools as b; sys.stdout.write(b.norm('--check-ref', 'e', '-f', sys.argv[1], sys.argv[2]))"
        done = subprocess.run([sys.executable, "-c", program, str(world.fasta), str(path)], capture_output=True, text=True, check=True)
        assert "Warning" not in done.stderr and "[W::" not in done.stderr and "[E::" not in done.stderr
        ours = [line.split("\t")[:5] for line in records(path)]
        assert [line.split("\t")[:5] for line in done.stdout.splitlines() if not line.startswith("#")] == ours


def test_genotypes_of_a_real_sample(data, tools, tmp_path):
    folder = data / "na12878_chr21"
    fasta = tmp_path / "chr21.fa"
    fasta.write_bytes(gzip.decompress((folder / "GRCh38.chr21.partial.fa.gz").read_bytes()))
    (tmp_path / "reference").mkdir()
    build_genome(fasta, tmp_path / "reference", name="chr21")
    whom = Sample(accept_other_digests=True)  # the reference is masked but for a part
    region = "chr21:16600001-16800000"
    call_variants(tmp_path / "reference", folder / "reads.bam", Outputs(tmp_path / "out.vcf.gz"), sample=whom, region=region)
    command = [sys.executable, tools / "compare_calls.py", fasta, folder / "truth.vcf.gz", tmp_path / "out.vcf.gz", "--json"]
    command += ["--bed", folder / "confident.bed.gz", "--region", "chr21:16600001-16800000"]
    score = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert score["snv_genotype"]["f1"] >= 0.990
    assert score["indel_genotype"]["f1"] >= 0.93


def refused(world, bam, folder, expected, **more):
    """Calling fails with the message, and leaves no file."""
    with pytest.raises((BadInput, BadConfiguration), match=expected):
        call_variants(world.reference, bam, Outputs(folder / "out.vcf.gz", folder / "out.g.vcf.gz"), **more)
    assert not list(folder.glob("*out*"))


def test_a_bam_of_another_reference(world, donor_bam, tmp_path):
    (tmp_path / "other").mkdir()
    other = build_world(tmp_path / "other", {"chr1": 71_000, "chrX": 8_000})
    refused(other, donor_bam, tmp_path, "chr1 has 70,000 bases in the BAM and 71,000 in the reference.*aligned to this reference")


def test_a_bam_of_unknown_contigs(world, donor_bam, tmp_path):
    (tmp_path / "other").mkdir()
    other = build_world(tmp_path / "other", {"plasmid": 9_000})
    refused(other, donor_bam, tmp_path, "reads lie on chr1, chrX, chrM, which the reference lacks; wanted a BAM aligned to this reference")


def renamed(world, folder, **names):
    """The same genome, with other names for some of its contigs."""
    text = world.fasta.read_text()
    for name, other in names.items():
        text = text.replace(f">{name}\n", f">{other}\n")
    fasta = folder / "renamed.fa"
    fasta.write_text(text)
    (folder / "renamed").mkdir()
    build_genome(fasta, folder / "renamed", name="renamed")
    return replace(world, reference=folder / "renamed", fasta=fasta)


def test_a_bam_with_reads_on_a_chromosome_that_the_reference_lacks(world, donor_bam, tmp_path):
    refused(renamed(world, tmp_path, chrX="scaffold"), donor_bam, tmp_path, "reads lie on chrX, which the reference lacks")


def test_a_contig_that_is_no_chromosome_may_be_lacking(world, donor_bam, donor_calls, tmp_path, caplog):
    with caplog.at_level("WARNING", logger="genopipe"):
        call_variants(renamed(world, tmp_path, chrM="scaffold").reference, donor_bam, Outputs(tmp_path / "x.vcf.gz"))
    assert "no calls on 1 contigs that the reference lacks: chrM" in caplog.text
    assert records(tmp_path / "x.vcf.gz") == [line for line in records(donor_calls.vcf) if not line.startswith("chrM")]


def test_reads_that_differ_everywhere_are_of_another_reference(world, donor_bam, tmp_path):
    """Contigs of the same names and lengths, and no digests in the BAM: three of four bases differ by chance."""
    (tmp_path / "other").mkdir()
    other = build_world(tmp_path / "other", {name: len(sequence) for name, sequence in world.sequences.items()}, seed=6)
    refused(other, donor_bam, tmp_path, "7[45] % of the bases differ from the reference; wanted reads aligned to this reference")


def with_digest(bam, path, digest):
    """The BAM with a digest of its first contig in the header."""
    head = pysam.AlignmentFile(str(bam)).header.to_dict()
    head["SQ"][0]["M5"] = digest
    with pysam.AlignmentFile(str(bam)) as source, pysam.AlignmentFile(str(path), "wb", header=head) as file:
        for record in source:
            file.write(record)
    pysam.index(str(path))
    return path


def test_a_contig_of_another_digest(world, donor_bam, tmp_path):
    bam = with_digest(donor_bam, tmp_path / "x.bam", "0" * 32)
    refused(world, bam, tmp_path, "chr1 has the MD5 0+ in the BAM and .* in the reference.*--accept-other-digests")


def test_a_contig_of_another_digest_is_accepted_with_a_warning(world, donor_bam, donor_calls, tmp_path, caplog):
    bam = with_digest(donor_bam, tmp_path / "x.bam", "0" * 32)
    with caplog.at_level("WARNING", logger="genopipe"):
        call_variants(world.reference, bam, Outputs(tmp_path / "x.vcf.gz"), sample=Sample(accept_other_digests=True), region="chrM")
    assert "chr1 has another digest than in the reference, though the same length; accepted, as asked" in caplog.text
    assert records(tmp_path / "x.vcf.gz") == [line for line in records(donor_calls.vcf) if line.startswith("chrM")]


def test_a_contig_of_the_same_digest_needs_no_option(world, donor_bam, donor_calls, tmp_path):
    bam = with_digest(donor_bam, tmp_path / "x.bam", load_genome(world.reference).contigs[0].md5.upper())
    call_variants(world.reference, bam, Outputs(tmp_path / "x.vcf.gz"))
    assert records(tmp_path / "x.vcf.gz") == records(donor_calls.vcf)


def test_contigs_under_other_names_are_recognised(world, donor_bam, donor_calls, tmp_path, names_untold, caplog):
    with pysam.AlignmentFile(str(donor_bam)) as source:
        head = source.header.to_dict()
        for contig, name in zip(head["SQ"], ("1", "X", "MT"), strict=True):
            contig["SN"] = name
        with pysam.AlignmentFile(str(tmp_path / "x.bam"), "wb", header=head) as file:
            for record in source:
                file.write(record)
    pysam.index(str(tmp_path / "x.bam"))
    with caplog.at_level("INFO", logger="genopipe"):
        call_variants(world.reference, tmp_path / "x.bam", Outputs(tmp_path / "x.vcf.gz"))
    assert records(tmp_path / "x.vcf.gz") == records(donor_calls.vcf)
    assert "contig MT is taken as chrM" in caplog.text


def test_a_bam_without_a_contig_of_the_reference(world, donor_bam, tmp_path):
    with pysam.AlignmentFile(str(donor_bam)) as source:
        head = source.header.to_dict()
        head["SQ"] = head["SQ"][:1]
        with pysam.AlignmentFile(str(tmp_path / "x.bam"), "wb", header=head) as file:
            for record in source.fetch("chr1", 0, 3000):
                file.write(pysam.AlignedSegment.from_dict(record.to_dict(), file.header))
    pysam.index(str(tmp_path / "x.bam"))
    call_variants(world.reference, tmp_path / "x.bam", Outputs(tmp_path / "x.vcf.gz"))
    assert {line.split("\t")[0] for line in records(tmp_path / "x.vcf.gz")} == {"chr1"}
    assert "chrX\t0\t8000\tno_reads\n" in (tmp_path / "x.uncallable.bed").read_text()


def test_a_bam_with_a_damaged_block(world, donor_bam, tmp_path):
    data = bytearray(donor_bam.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "bad.bam").write_bytes(data)
    (tmp_path / "bad.bam.bai").write_bytes(donor_bam.with_name("donor.bam.bai").read_bytes())
    refused(world, tmp_path / "bad.bam", tmp_path, "block at byte|no BGZF block|record contradicts|no sound block")


def test_a_worker_tells_what_one_process_tells(world, donor_bam, tmp_path):
    """The message about a damaged block, found while windows are called."""
    model, told = tmp_path / "model.json", []
    fit(world.reference, donor_bam, model)
    data = bytearray(donor_bam.read_bytes())
    data[-3000] ^= 0xFF
    (tmp_path / "bad.bam").write_bytes(data)
    (tmp_path / "bad.bam.bai").write_bytes(donor_bam.with_name("donor.bam.bai").read_bytes())
    for threads in (1, 3):
        with pytest.raises(BadInput) as error:
            call_variants(
                world.reference, tmp_path / "bad.bam", Outputs(tmp_path / "out.vcf.gz"), sample=Sample(model=model), threads=threads
            )
        told.append(str(error.value))
        assert not list(tmp_path.glob("*out*"))
    assert told[0] == told[1] and "bad.bam: " in told[0] and "wanted" in told[0]


def test_a_worker_that_is_killed_leaves_nothing(world, donor_bam, tmp_path, monkeypatch):
    """As the system does where memory runs out: after other windows were written."""

    def killed(calling, window):
        if window.contig.name == "chrM":
            os.kill(os.getpid(), signal.SIGKILL)
        return window_text(calling, window)

    monkeypatch.setattr(caller, "window_text", killed)
    with pytest.raises(BadEnvironment, match=r"--threads: a worker process was ended by SIGKILL; .* give fewer --threads or more memory"):
        call_variants(world.reference, donor_bam, Outputs(tmp_path / "out.vcf.gz", tmp_path / "out.g.vcf.gz"), threads=3)
    assert not list(tmp_path.iterdir())


def test_an_unknown_contig_in_the_region(world, donor_bam, tmp_path):
    refused(world, donor_bam, tmp_path, "chr9", region="chr9:1-100")


@pytest.mark.parametrize("region", ["chrX:10-5", "chrX:0-5", "chrX:1-8001"])
def test_a_region_beyond_its_contig(world, region):
    with pytest.raises(BadConfiguration, match="does not lie on chrX, which has 8,000 bases"):
        wanted_spans(load_genome(world.reference), region)


def test_an_output_that_is_not_compressed(world, donor_bam, tmp_path):
    with pytest.raises(BadConfiguration, match=r"a name that ends with \.vcf\.gz"):
        call_variants(world.reference, donor_bam, Outputs(tmp_path / "out.vcf"))


@pytest.mark.parametrize("end", ["vcf.gz", "uncallable.bed", "coverage.tsv"])
def test_an_output_that_is_an_input_is_refused(end, tmp_path):
    """The BAM, or the BED of intervals, stands where a file would be written."""
    given = tmp_path / f"x.{end}"
    given.write_text("kept")
    (bam, bed) = (given, None) if end == "vcf.gz" else (tmp_path / "x.bam", given)
    with pytest.raises(BadConfiguration, match=r"x\." + end + ": the output is one of the inputs"):
        call_variants(tmp_path, bam, Outputs(tmp_path / "x.vcf.gz"), targets=bed)
    assert given.read_text() == "kept"


def test_a_vcf_and_a_gvcf_of_one_name_are_refused(tmp_path):
    out = tmp_path / "x.vcf.gz"
    with pytest.raises(BadConfiguration, match=r"-o and --gvcf are the same file; wanted two files"):
        call_variants(tmp_path, tmp_path / "x.bam", Outputs(out, out))
