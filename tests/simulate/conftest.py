"""One simulated family and one set of reads for all tests of this room."""

from __future__ import annotations

import gzip
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pysam
import pytest

from genopipe.simulate.family import Family, simulate_family


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> Family:
    """A family with thin reads; genome, variants and tables are those of the demonstration."""
    return simulate_family(tmp_path_factory.mktemp("family"), coverage=6, mitochondrial_coverage=20)


def csq(family: Family) -> subprocess.CompletedProcess[str]:
    """bcftools csq on the family's truth, in a process of its own, as it keeps the place of the last record from one call to the next."""
    run = "csq = pysam.bcftools.csq; csq(*sys.argv[1:], catch_stdout=False); print(csq.get_messages(), file=sys.stderr)"
    code = f"import sys, pysam.bcftools; {run}"
    command = [sys.executable, "-c", code, "-p", "a", "-f", str(family.genome), "-g", str(family.genes), str(family.truth)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


@pytest.fixture(scope="session")
def genome(family: Family) -> dict[str, str]:
    """The contigs of the family's genome, in upper case."""
    with pysam.FastxFile(str(family.genome)) as contigs:
        return {contig.name: contig.sequence.upper() for contig in contigs}


@dataclass(frozen=True)
class Feature:
    """A line of the GFF3, as it stands there: 1-based, end inclusive."""

    contig: str
    kind: str
    start: int
    end: int
    strand: str
    phase: str
    attributes: dict[str, str]


@pytest.fixture(scope="session")
def features(family: Family) -> list[Feature]:
    rows = (line.split("\t") for line in family.genes.read_text().splitlines() if not line.startswith("#"))
    return [Feature(r[0], r[2], int(r[3]), int(r[4]), r[6], r[7], dict(pair.split("=") for pair in r[8].split(";"))) for r in rows]


@dataclass(frozen=True)
class Record:
    """A line of a truth VCF; genotypes as written."""

    contig: str
    position: int
    reference: str
    alternative: str
    info: str
    genotypes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.contig}-{self.position}-{self.reference}-{self.alternative}"


def read_records(path: Path) -> list[Record]:
    with gzip.open(path, "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines if not line.startswith("#")]
    return [Record(r[0], int(r[1]), r[3], r[4], r[7], tuple(r[9:])) for r in rows]


@pytest.fixture(scope="session")
def truth(family: Family) -> list[Record]:
    """The family's variants: genotypes of newborn, mother and father."""
    return read_records(family.truth)
