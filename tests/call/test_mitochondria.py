"""Mixtures of mitochondrial genomes: found down to two per cent at 1,000x, with their share; errors of one strand, of a repeat, or of few
fragments are none; what a copy in the nucleus could show is marked."""

from __future__ import annotations

import math

import numpy as np
import pysam
import pytest

from genopipe.call.caller import Outputs, call_variants
from genopipe.call.mitochondria import low_shares, marked
from genopipe.call.settings import DEFAULT
from genopipe.call.sites import Site
from genopipe.call.view import view
from genopipe.model import Alignments
from tests.call.conftest import Person, build_world, change, write_reads

REFERENCE = np.random.default_rng(8).integers(0, 4, 400).astype(np.uint8)
PLACE = 200
OTHER = int(REFERENCE[PLACE] + 1) % 4


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return build_world(tmp_path_factory.mktemp("small"), {"chr1": 8_000, "chrM": 1_200})


def called_in(path):
    with pysam.VariantFile(str(path)) as file:
        return {(record.start, record.alts[0]): record.samples[0]["AF"][0] for record in file if "PASS" in record.filter}


def test_mixtures_of_two_and_five_per_cent_at_1000x(small, tmp_path):
    rare, commoner = change(small, "chrM", 400, "snv"), change(small, "chrM", 800, "del", "xx")
    haplotypes = ([rare, commoner], [commoner], [commoner], *([] for _ in range(47)))
    bam = write_reads(small, Person("mixed", haplotypes), tmp_path / "mixed.bam", depth=1000, only="chrM")
    call_variants(small.reference, bam, Outputs(tmp_path / "x.vcf.gz", tmp_path / "x.g.vcf.gz"), region="chrM")
    found = called_in(tmp_path / "x.vcf.gz")
    assert set(found) == {(rare[1], rare[3]), (commoner[1], commoner[3])}
    assert found[rare[1], rare[3]] == pytest.approx(0.02, abs=0.012)
    assert found[commoner[1], commoner[3]] == pytest.approx(0.06, abs=0.02)
    with pysam.VariantFile(str(tmp_path / "x.g.vcf.gz")) as file:
        assert [record.start for record in file if record.alts[0] != "<NON_REF>"] == sorted(place for place, _ in found)


def reads_with(alternative, *, depth=1000, quality=35, strand=None):
    """Reads of 100 bases over `PLACE`, that many of them with the other base; `strand` of these, else both."""
    n = np.arange(depth)
    position = np.sort(PLACE - 10 - n % 80)
    base = np.stack([REFERENCE[at : at + 100] for at in position])
    shows = n * alternative // depth != (n + 1) * alternative // depth
    base[np.flatnonzero(shows), PLACE - position[shows]] = OTHER
    order = np.cumsum(shows)
    reverse = np.where(shows & (strand is not None), strand == "reverse", np.where(shows, order % 2 == 0, n % 2 == 0))
    start = np.arange(depth + 1)
    return Alignments(
        position,
        position + 100,
        np.where(reverse, 16, 0).astype(np.uint16),
        np.full(depth, 60, np.uint8),
        n.astype(np.uint64) * np.uint64(7919),
        np.full(depth, 100 << 4, np.uint32),
        start,
        base.ravel(),
        np.full(100 * depth, quality, np.uint8),
        100 * start,
    )


def low_at(reads):
    return low_shares(view(reads, REFERENCE, 0), [], span=(0, len(REFERENCE)), settings=DEFAULT)


def test_a_mixture_is_worth_what_the_binomial_says():
    """QUAL by the likelihoods of bases of quality 30: errors alone, against a share of 2 % or the best of the shares tried."""
    (site,) = low_at(reads_with(20))
    error = 1e-3
    alone = 20 * math.log10(error / 3) + 980 * math.log10(1 - error)
    mixed = 20 * math.log10(0.02 * (1 - error) + 0.98 * error / 3) + 980 * math.log10(0.98 * (1 - error) + 0.02 * error / 3)
    assert (site.position, site.genotype, site.allele_depth, site.strand[2:]) == (PLACE, (0, 1), (980, 20), (10, 10))
    assert site.quality == pytest.approx(10 * (mixed - alone) - DEFAULT.snv_prior / 1000, abs=1)
    assert site.likelihood[1] == 0
    assert site.likelihood[0] == pytest.approx(10 * (mixed - alone), abs=1)


@pytest.mark.parametrize(
    "reads",
    [
        reads_with(4),
        reads_with(9),
        reads_with(20, strand="reverse"),
        reads_with(20, strand="forward"),
        reads_with(20, quality=12),
        reads_with(3, depth=60),
    ],
    ids=["too few", "below one per cent", "reverse only", "forward only", "low qualities", "shallow"],
)
def test_what_is_no_mixture(reads):
    assert low_at(reads) == []


def test_a_place_that_is_called_already_is_left_alone():
    (site,) = low_at(reads_with(20))
    assert low_shares(view(reads_with(20), REFERENCE, 0), [site], span=(0, 400), settings=DEFAULT) == []


def with_deletion(reference, place, deleted, *, depth=1000):
    """Reads over a deletion of one base at `place`, so many of them with it."""
    n = np.arange(depth)
    position = np.sort(place - 20 - n % 60)
    has = n * deleted // depth != (n + 1) * deleted // depth
    base, cigar, lengths, ends = [], [], [], []
    for at, shows in zip(position.tolist(), has.tolist(), strict=True):
        before = place - at
        base.append(np.concatenate((reference[at:place], reference[place + 1 : at + 101])) if shows else reference[at : at + 100])
        cigar.append([before << 4, 1 << 4 | 2, (100 - before) << 4] if shows else [100 << 4])
        lengths.append(len(cigar[-1]))
        ends.append(at + 100 + shows)
    flag = np.where(np.where(has, np.cumsum(has), n) % 2 == 0, 16, 0).astype(np.uint16)
    start = np.concatenate(([0], np.cumsum(lengths)))
    return Alignments(
        position,
        np.array(ends),
        flag,
        np.full(depth, 60, np.uint8),
        n.astype(np.uint64) * np.uint64(7919),
        np.concatenate(cigar).astype(np.uint32),
        start,
        np.concatenate(base),
        np.full(100 * depth, 35, np.uint8),
        100 * np.arange(depth + 1),
    )


def test_a_deletion_is_a_mixture_unless_its_repeat_explains_it():
    plain, repeat = np.tile(np.array([0, 1, 2, 3, 1, 0, 3, 2], np.uint8), 50), np.tile(np.array([0, 1, 2, 3, 1, 0, 3, 2], np.uint8), 50)
    repeat[190:214] = 1
    slipping = np.full((5, 81), 0.03)
    for reference, rate, expected in ((plain, None, 1), (repeat, slipping, 0)):
        reads = with_deletion(reference, 191, 30)
        more = {} if rate is None else {"gap_rate": rate}
        assert len(low_shares(view(reads, reference, 0, **more), [], span=(0, 400), settings=DEFAULT)) == expected


def site_of(alternative):
    return Site(5, ("A", "C"), (0, 1), (9, 0, 99), 9, 50, 1000, (1000 - alternative, alternative), (500, 480, 10, 10), False)


def test_an_allele_as_rare_as_a_copy_in_the_nucleus_shows_it_is_marked():
    assert marked(site_of(30), 30).nuclear
    assert marked(site_of(45), 30).nuclear
    assert not marked(site_of(46), 30).nuclear
    assert not marked(site_of(5), 0).nuclear
    assert not marked(site_of(600), 900).nuclear


def test_the_mark_is_written(small, tmp_path):
    rare = change(small, "chrM", 400, "snv")
    parts = [
        write_reads(small, Person("mixed", ([], [])), tmp_path / "nucleus.bam", depth=30, only="chr1"),
        write_reads(small, Person("mixed", ([rare], *([] for _ in range(39)))), tmp_path / "mixture.bam", depth=600, only="chrM"),
    ]
    pysam.cat("-o", str(tmp_path / "x.bam"), *map(str, parts))
    pysam.index(str(tmp_path / "x.bam"))
    call_variants(small.reference, tmp_path / "x.bam", Outputs(tmp_path / "x.vcf.gz"), region="chrM")
    with pysam.VariantFile(str(tmp_path / "x.vcf.gz")) as file:
        assert [(record.start, "NUMT" in record.info) for record in file] == [(rare[1], True)]
