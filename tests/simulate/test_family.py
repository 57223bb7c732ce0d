"""The whole family: the same bytes for ever, the files where they are promised, a case file that the pipeline takes."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml

import genopipe
from genopipe.errors import BadInput
from genopipe.simulate.case_file import write_case
from genopipe.simulate.family import Family, simulate_family

GOLDEN = "b293c151eb2b5223b32a4b7951ed4cdb85712ff0259f6c54353b69cab8be12e2"
"""SHA-256 of all files of the family of seed 1 with thin reads. A change of it changes the demonstration: say so in the CHANGELOG."""


def digest(folder: Path) -> str:
    """Of the names and the plain contents of all files: the compressor may change, what was compressed may not."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".fai", ".tbi")):
        content = path.read_bytes()
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(gzip.decompress(content) if path.suffix == ".gz" else content)
    return total.hexdigest()


def test_family_of_seed_1_is_what_it_always_was(family: Family) -> None:
    assert digest(family.folder) == GOLDEN


def test_two_runs_give_the_same_bytes(family: Family, tmp_path: Path) -> None:
    again = simulate_family(tmp_path, coverage=6, mitochondrial_coverage=20)
    for member, other in zip(family.members, again.members, strict=True):
        assert member.r1.read_bytes() == other.r1.read_bytes()
        assert member.r2.read_bytes() == other.r2.read_bytes()
    assert digest(tmp_path) == digest(family.folder)


def test_files_are_where_they_are_promised(family: Family) -> None:
    names = {path.relative_to(family.folder).as_posix() for path in family.folder.rglob("*") if path.suffix != ".fai" and path.is_file()}
    samples = ("newborn", "mother", "father")
    assert names == {
        "genome/genome.fa",
        "genome/genes.gff3",
        "evidence/hp.obo",
        "evidence/genes_to_phenotype.txt",
        "evidence/clinvar.vcf.gz",
        "evidence/frequency.vcf.gz",
        "evidence/constraint.tsv",
        "family.ped",
        "truth/family.vcf.gz",
        *(f"truth/{sample}.vcf.gz" for sample in samples),
        *(f"reads/{sample}_R{i}.fastq.gz" for sample in samples for i in (1, 2)),
    }


def test_repeats_are_lower_case_and_ends_unknown(family: Family) -> None:
    first = family.genome.read_text().split(">")[1].splitlines()
    assert all(len(line) == 60 for line in first[1:-1])
    sequence = "".join(first[1:])
    assert sequence[:875] == sequence[-875:] == "N" * 875
    assert 0.1 < sum(map(str.islower, sequence)) / len(sequence) < 0.4


def test_pedigree_has_six_columns_and_the_newborn_affected(family: Family) -> None:
    rows = [line.split("\t") for line in family.pedigree.read_text().splitlines()[1:]]
    assert rows == [
        ["DEMO", "newborn", "father", "mother", "2", "2"],
        ["DEMO", "mother", "0", "0", "2", "1"],
        ["DEMO", "father", "0", "0", "1", "1"],
    ]


def test_only_the_father_has_reads_of_chr_y(family: Family) -> None:
    """Words of 31 bases that chrY alone has are in the father's reads only."""
    contigs = {
        part.split("\n", 1)[0]: part.split("\n", 1)[1].replace("\n", "").upper() for part in family.genome.read_text().split(">")[1:]
    }
    place = int(np.flatnonzero([base != "N" for base in contigs["chrY"]])[0]) + 9000
    words = [contigs["chrY"][place + i : place + i + 31] for i in range(0, 2000, 100)]
    words = [word for word in words if not any(word in contigs[name] for name in ("chr1", "chr2", "chrX"))]
    seen = {}
    for member in family.members:
        text = gzip.decompress(member.r1.read_bytes()) + gzip.decompress(member.r2.read_bytes())
        seen[member.sample] = sum(word.encode() in text for word in words)
    assert seen["newborn"] == seen["mother"] == 0 < seen["father"]


def test_case_file_fits_the_schema(family: Family, tmp_path: Path) -> None:
    path = write_case(
        tmp_path, family, reference=tmp_path / "reference" / "DEMO", evidence=tmp_path / "store" / "demo", archive=tmp_path / "archive"
    )
    case = yaml.safe_load(path.read_text())
    schema = json.loads((Path(genopipe.__file__).parent / "schemas" / "case.schema.json").read_text())
    jsonschema.validate(case, schema)
    assert (case["reference"], case["evidence"], case["archive"]) == ("reference/DEMO", "store/demo", "archive")
    assert all((tmp_path / row[mate]).resolve().is_file() for row in case["reads"] for mate in ("r1", "r2"))
    assert case["proband"]["phenotypes"] == list(family.phenotypes)


def test_tiny_genome_is_refused(tmp_path: Path) -> None:
    message = "genome_length: a genome of 50000 bases; wanted at least 200000. Raise genome_length."
    with pytest.raises(BadInput, match=re.escape(message)):
        simulate_family(tmp_path / "family", genome_length=50_000)
    assert not (tmp_path / "family").exists()
