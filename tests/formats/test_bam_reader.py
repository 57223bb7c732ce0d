"""BAM as arrays: what pysam reads from the same file, and an error for each way a file can be unfit."""

from __future__ import annotations

import numpy as np
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genopipe.errors import BadInput
from genopipe.formats.bam_index import hash_bytes, open_bam, sample_of
from genopipe.formats.bam_reader import LEFT_OUT, read_stretch

HEAD = {"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": [{"SN": "a", "LN": 100_000, "M5": "f" * 32}, {"SN": "b", "LN": 50_000}]}
ONE = {**HEAD, "RG": [{"ID": "1", "SM": "me"}]}


def record(contig=0, position=100, cigar="50M", *, name="r", flag=0, group=None, quality=60, tags=()):
    read = pysam.AlignedSegment()
    read.query_name, read.flag, read.reference_id, read.reference_start = name, flag, contig, position
    read.mapping_quality, read.cigarstring = quality, cigar
    rng = np.random.default_rng(position)
    n = read.infer_query_length()
    read.query_sequence = "".join("ACGTN"[i] for i in rng.integers(0, 5, n))
    read.query_qualities = rng.integers(0, 60, n).astype(np.uint8).tolist()
    for tag, value, kind in tags:
        read.set_tag(tag, value, kind)
    if group:
        read.set_tag("RG", group)
    return read


def write(path, records, head=ONE):
    with pysam.AlignmentFile(str(path), "wb", header=head) as file:
        for read in records:
            file.write(read)
    pysam.index(str(path))
    return path


def expected(path, contig, start, end, min_quality):
    with pysam.AlignmentFile(str(path)) as file:
        return [
            (r.reference_start, r.reference_end, r.flag, r.mapping_quality, hash_bytes(r.query_name.encode()), tuple(r.cigartuples),
             "".join(c if c in "ACGT" else "N" for c in r.query_sequence), tuple(r.query_qualities))
            for r in file.fetch(contig, start, end) if not r.flag & LEFT_OUT and r.mapping_quality >= min_quality
        ]  # fmt: skip


def got(reads):
    rows = []
    for i in range(len(reads)):
        cigar = reads.cigar[reads.cigar_start[i] : reads.cigar_start[i + 1]].tolist()
        bases = slice(reads.base_start[i], reads.base_start[i + 1])
        rows.append(
            (int(reads.position[i]), int(reads.end[i]), int(reads.flag[i]), int(reads.mapping_quality[i]), int(reads.name_hash[i]),
             tuple((word & 15, word >> 4) for word in cigar), "".join("ACGTN"[c] for c in reads.base[bases]),
             tuple(reads.quality[bases].tolist()))
        )  # fmt: skip
    return rows


def test_a_real_bam_reads_as_pysam_reads_it(data):
    path = data / "na12878_chr21" / "reads.bam"
    bam = open_bam(path)
    reads = read_stretch(bam, bam.contig_index("chr21"), start=16_650_000, end=16_655_000, min_mapping_quality=20)
    assert got(reads) == expected(path, "chr21", 16_650_000, 16_655_000, 20)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 40_000),
            st.sampled_from(["50M", "3S20M4I10M2D5M", "5H40M7S", "10M5N10M", "1=2X30="]),
            st.sampled_from([0, 16, 4, 99, 147, 256, 512, 1024, 2048]),
            st.integers(0, 60),
        ),
        max_size=30,
    ),
    st.integers(0, 40_000),
    st.integers(1, 30_000),
)
def test_any_stretch_reads_as_pysam_reads_it(tmp_path, rows, start, size):
    rows = sorted(rows, key=lambda row: row[:2])
    path = write(tmp_path / "x.bam", [record(c, p, cigar, name=f"r{i}", flag=f, quality=q) for i, (c, p, cigar, f, q) in enumerate(rows)])
    bam = open_bam(path)
    for i, name in enumerate("ab"):
        assert got(read_stretch(bam, i, start=start, end=start + size, min_mapping_quality=7)) == expected(
            path, name, start, start + size, 7
        )


def test_records_that_span_blocks_and_pieces(tmp_path):
    path = write(tmp_path / "x.bam", [record(0, i // 4, "150M", name=f"a-longer-name-{i}") for i in range(8000)])
    assert got(read_stretch(open_bam(path), 0, start=0, end=3000)) == expected(path, "a", 0, 3000, 0)


def test_only_the_read_groups_of_the_sample_count(tmp_path):
    head = {**HEAD, "RG": [{"ID": "1", "SM": "me"}, {"ID": "2", "SM": "you"}, {"ID": "3", "SM": "me"}]}
    tags = [("XB", "1", "Z"), ("XI", 70_000, "i"), ("XC", 5, "c"), ("XA", "q", "A"), ("XS", 300, "s")]
    arrays = [("XD", [1, 2, 3], None)]
    records = [record(0, 10 + i, group=group, tags=[*tags, *(arrays if i % 2 else [])]) for i, group in enumerate("12331")]
    bam = open_bam(write(tmp_path / "x.bam", records, head))
    name, groups = sample_of(bam, "me")
    assert name == "me"
    assert read_stretch(bam, 0, start=0, end=500, read_groups=groups).position.tolist() == [10, 12, 13, 14]


def test_header_and_digests(tmp_path):
    bam = open_bam(write(tmp_path / "x.bam", [record()]))
    assert [(c.name, c.length, c.md5) for c in bam.contigs] == [("a", 100_000, "f" * 32), ("b", 50_000, None)]
    assert bam.has_reads == (True, False)
    assert sample_of(bam, None) == ("me", None)


def test_an_empty_bam_has_no_reads(tmp_path):
    assert len(read_stretch(open_bam(write(tmp_path / "x.bam", [])), 1, start=0, end=50_000)) == 0


def test_no_sample(tmp_path):
    bam = open_bam(write(tmp_path / "x.bam", [record()], HEAD))
    with pytest.raises(BadInput, match=r"no read group of the BAM names a sample; wanted one sample\. Choose one with --sample"):
        sample_of(bam, None)
    assert sample_of(bam, "me") == ("me", None)


def test_several_samples(tmp_path):
    head = {**HEAD, "RG": [{"ID": "1", "SM": "me"}, {"ID": "2", "SM": "you"}]}
    bam = open_bam(write(tmp_path / "x.bam", [record()], head))
    with pytest.raises(BadInput, match="holds the samples me, you"):
        sample_of(bam, None)
    with pytest.raises(BadInput, match="holds no sample 'him'; wanted one of me, you"):
        sample_of(bam, "him")


def test_a_bam_without_an_index(tmp_path):
    path = write(tmp_path / "x.bam", [record()])
    path.with_name("x.bam.bai").unlink()
    with pytest.raises(BadInput, match=r"the BAM has no index.*samtools index x\.bam"):
        open_bam(path)


def test_an_index_of_another_file(tmp_path):
    path = write(tmp_path / "x.bam", [record()])
    path.with_name("x.bam.bai").write_bytes(b"BAI\1\7\0\0\0")
    with pytest.raises(BadInput, match=r"the index cannot be read.*Make it again"):
        open_bam(path)


def test_a_header_that_says_unsorted(tmp_path):
    head = {**ONE, "HD": {"VN": "1.6", "SO": "queryname"}}
    with pytest.raises(BadInput, match="the reads are in the order 'queryname'"):
        open_bam(write(tmp_path / "x.bam", [record()], head))


def test_records_that_are_not_sorted(tmp_path):
    path = write(tmp_path / "x.bam", [record(0, 10), record(0, 20)])
    with pysam.AlignmentFile(str(path), "wb", header=ONE) as file:
        for read in (record(0, 20), record(0, 10)):
            file.write(read)
    with pytest.raises(BadInput, match="the reads are not sorted by position"):
        read_stretch(open_bam(path), 0, start=0, end=500)


def test_a_truncated_bam(tmp_path):
    path = write(tmp_path / "x.bam", [record(0, i) for i in range(1000)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadInput, match="without the end-of-file block"):
        open_bam(path)


def test_a_text_file(tmp_path):
    (tmp_path / "x.bam").write_text("@HD\tVN:1.6\n")
    with pytest.raises(BadInput, match="the file is no BAM"):
        open_bam(tmp_path / "x.bam")


def test_a_bgzf_file_that_is_no_bam(tmp_path):
    pysam.tabix_compress(__file__, str(tmp_path / "x.bam"))
    with pytest.raises(BadInput, match="the header cannot be read"):
        open_bam(tmp_path / "x.bam")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_harmless(tmp_path, at, value):
    """Damage is found by checksums; bytes outside them never crash the reader."""
    path = tmp_path / "x.bam"
    if not path.exists():
        write(path, [record(0, i) for i in range(50)])
        (tmp_path / "good").write_bytes(path.read_bytes())
    data = bytearray((tmp_path / "good").read_bytes())
    data[at % len(data)] = value
    path.write_bytes(data)
    try:
        assert len(read_stretch(open_bam(path), 0, start=0, end=500)) == 50
    except BadInput:
        assert bytes(data) != (tmp_path / "good").read_bytes()
