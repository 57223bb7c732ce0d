"""The conformance files of hts-specs: what is VCF is read whole; what is none is refused with its path, or let pass for a reason.

Our reading goes through htslib. It takes from a VCF the contigs, positions, alleles, filters, genotypes and the fields it knows, so it is
strict where one of these cannot be told, and lets pass what it never looks at. `LET_PASS` names those kinds of file with the reason.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from genopipe.errors import BadInput
from genopipe.interpret.vcf_source import reading

VERSIONS = ("4.1", "4.2", "4.3", "4.5")
LET_PASS = {
    "meta": "header lines of other kinds, or keys of them, are not used",
    "meta_alt": "symbolic alleles are left out, whatever their header says",
    "meta_assembly": "no assembly file is opened",
    "meta_contig": "contigs are held against the reference where there is one",
    "meta_format": "fields are known by name, and htslib checks their type",
    "meta_info": "fields are known by name, and htslib checks their type",
    "meta_pedigree": "the pedigree is a file of its own",
    "meta_pedigreedb": "the pedigree is a file of its own",
    "meta_sample": "samples are known by their column",
    "meta_meta": "lines of kind META are not used",
    "body_alt": "alleles that are no bases are left out",
    "body_chrom": "names are held against the reference where there is one",
    "body_contiguous": "records are put in order",
    "body_duplicated": "of equal records the first counts",
    "body_filter": "a name that is not PASS is a failed filter",
    "body_format": "fields that are not known are not read",
    "body_id": "IDs are not used",
    "body_info": "fields that are not known are not read",
    "body_info_integer_overflow": "fields that are not known are not read",
    "body_info_integer_underflow": "fields that are not known are not read",
    "body_info_integer_reserved": "fields that are not known are not read",
    "body_no_newline": "the last record is whole",
    "body_qual": "QUAL is not used",
    "body_ref": "REF is held against the reference where there is one",
    "body_sample": "a field that cannot be told counts as missing",
    "body_samples_ploidy": "a sample may have its own number of copies",
    "body_unsorted": "records are put in order",
    "fileformat": "the number of the version changes nothing",
}
REFUSED = ("body_pos", "header", "empty")
"""Kinds of which every file is refused."""


def files(data: Path, kind: str) -> list[Path]:
    return [path for version in VERSIONS for path in sorted((data / "ga4gh/hts_specs_test/vcf" / version / kind).glob("*.vcf"))]


def read(path: Path) -> int:
    """Reads what a result needs of every record, and returns how many there are."""
    n = 0
    with reading(path) as file:
        for record in file:
            n += 1
            assert record.pos >= 0 and record.alleles is not None and record.contig
            assert isinstance(record.filter.keys(), list)
            assert all(isinstance(sample.allele_indices, tuple | None) for sample in record.samples.values())
    return n


def test_every_file_that_must_pass_is_read_whole(data: Path) -> None:
    for path in files(data, "passed"):
        records = [line for line in path.read_bytes().splitlines() if line.strip() and not line.startswith(b"#")]
        assert read(path) == len(records), path


def test_what_must_fail_is_refused_or_let_pass_for_a_reason(data: Path) -> None:
    refused, passed = set(), set()
    for path in files(data, "failed"):
        kind = path.stem.removeprefix("failed_").rstrip("0123456789").rstrip("_")
        try:
            read(path)
            passed.add(kind)
        except BadInput as error:
            assert error.path == path and "VCF" in str(error)
            refused.add(kind)
    assert passed == LET_PASS.keys()
    assert refused >= set(REFUSED) and not passed & set(REFUSED)


@pytest.mark.parametrize("text", ["", "nonsense\n", "##fileformat=VCFv4.2\nchr1\t1\n"])
def test_what_has_no_header_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.vcf").write_text(text)
    with pytest.raises(BadInput, match="cannot be read as VCF"):
        read(tmp_path / "x.vcf")
