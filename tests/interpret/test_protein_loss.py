"""What a broken protein loses, against a second reading of the changed transcript, base by base."""

from __future__ import annotations

import random
from itertools import product

import pytest

from genopipe.formats.gff import Transcript
from genopipe.interpret.hgvs import Change
from genopipe.interpret.protein_loss import Loss, loss_of, touches
from genopipe.interpret.transcripts import Model
from tests.interpret.conftest import Setting
from tests.interpret.world import World, other_strand

CODONS = dict(zip(map("".join, product("TCAG", repeat=3)), "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG", strict=True))
GENES = ["GENA", "GENB", "GENC", "GEND", "GENX", "GENY"]


def model_of(world: World, transcript: Transcript) -> Model:
    return Model(transcript, lambda start, end: world.bases(transcript.contig, start, end))


def spliced(world: World, transcript: Transcript) -> list[tuple[str, int, int]]:
    """The transcript as (base, exon, position), in its own direction."""
    bases = [
        (world.bases(transcript.contig, at, at + 1), exon, at)
        for exon, (start, end) in enumerate(transcript.exons)
        for at in range(start, end)
    ]
    return bases if transcript.strand == "+" else [(other_strand(base), exon, at) for base, exon, at in bases[::-1]]


def read(bases: list[tuple[str, int, int]], first: int) -> tuple[str, int]:
    """The protein from the base at position `first` of the contig on, and the index behind its stop (0 without one)."""
    begin = next(i for i, (_, _, at) in enumerate(bases) if at == first)
    protein = ""
    for i in range(begin, len(bases) - 2, 3):
        letter = CODONS["".join(base for base, _, _ in bases[i : i + 3])]
        if letter == "*":
            return protein, i + 3
        protein += letter
    return protein, 0


def expected(before: list[tuple[str, int, int]], after: list[tuple[str, int, int]], first: int) -> tuple[bool, float]:
    """Whether the transcript decays, and the share of the protein that is missing."""
    old, old_stop = read(before, first)
    new, stop = read(after, first)
    premature = stop > 0 and len(after) - stop != len(before) - old_stop
    junction = max((i for i in range(1, len(after)) if after[i][1] != after[i - 1][1]), default=0)
    kept = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    behind = 0
    if not premature and stop:
        while behind < min(len(old), len(new)) - kept and old[-1 - behind] == new[-1 - behind]:
            behind += 1
    return premature and stop <= junction - 50, (len(old) - kept - behind) / len(old)


def check(found: Loss | None, wanted: tuple[bool, float]) -> None:
    assert found is not None
    assert found.decay == wanted[0]
    assert found.share == pytest.approx(wanted[1])


@pytest.mark.parametrize("gene", GENES)
def test_frameshifts_and_stops_are_read_on_to_the_new_stop(setting: Setting, gene: str) -> None:
    """Both strands, every exon; the new stop decides on decay, not the place of the change."""
    transcript, draw = setting.world.transcripts[gene], random.Random(gene)
    before, model = spliced(setting.world, transcript), model_of(setting.world, transcript)
    first = setting.world.coding_positions(gene)[0]
    inside = [at for at in setting.world.coding_positions(gene)[3:-3] if all(at not in (s, e - 1) for s, e in transcript.exons)]
    decays = set()
    for at in draw.sample(inside, 60):
        deleted = [one for one in before if one[2] != at]
        wanted = expected(before, deleted, first)
        check(loss_of(model, Change(at, at + 1, ""), ["frameshift_variant"]), wanted)
        decays.add(wanted[0])
        place = next(i for i, one in enumerate(before) if one[2] == at) + (transcript.strand == "-")
        letter = draw.choice("ACGT")
        new = letter if transcript.strand == "+" else other_strand(letter)
        inserted = [*before[:place], (new, before[place - 1][1], -1), *before[place:]]
        check(loss_of(model, Change(at, at, letter), ["frameshift_variant"]), expected(before, inserted, first))
    assert decays == {True, False}


@pytest.mark.parametrize("gene", GENES)
def test_a_lost_splice_site_skips_the_exon_beside_it(setting: Setting, gene: str) -> None:
    """Donor: the exon before; acceptor: the exon behind. Inner exons only: the first holds the start codon."""
    transcript = setting.world.transcripts[gene]
    before, model = spliced(setting.world, transcript), model_of(setting.world, transcript)
    first = setting.world.coding_positions(gene)[0]
    for exon in (1, 2):
        start, end = transcript.exons[exon]
        skipped = expected(before, [one for one in before if one[1] != exon], first)
        left, right = Change(start - 1, start, "A"), Change(end + 1, end + 2, "A")
        acceptor, donor = (left, right) if transcript.strand == "+" else (right, left)
        check(loss_of(model, acceptor, ["splice_acceptor_variant"]), skipped)
        check(loss_of(model, donor, ["splice_donor_variant"]), skipped)
        check(loss_of(model, Change(start - 30, end + 30, ""), ["exon_loss_variant"], kind="DEL"), skipped)
        mine = [one for one in before if one[1] == exon]
        last = before.index(mine[-1]) + 1
        twice = [*before[:last], *((base, 9, -1) for base, _, _ in mine), *before[last:]]
        check(loss_of(model, Change(start - 30, end + 30, ""), ["feature_elongation"], kind="DUP"), expected(before, twice, first))


def test_a_deletion_that_ends_in_an_exon_or_takes_the_first_tells_nothing(setting: Setting) -> None:
    model = model_of(setting.world, transcript := setting.world.transcripts["GENA"])
    (first, until), (start, end), *_ = transcript.exons
    assert loss_of(model, Change(start - 30, end - 20, ""), ["feature_truncation"], kind="DEL") is None
    assert loss_of(model, Change(first - 30, until + 20, ""), ["exon_loss_variant"], kind="DEL") is None


def test_a_stop_codon_that_is_read_as_selenocysteine_leaves_it_open() -> None:
    bases = f"{'C' * 10}ATGTGAGCATGGGTAA{'C' * 10}"
    transcript = Transcript("T.1", "G", "G", "protein_coding", "c", "+", ((5, 30),), ((10, 25),), 0, True, True)
    assert loss_of(Model(transcript, lambda start, end: bases[start:end]), Change(17, 18, ""), ["frameshift_variant"]) is None


def test_what_lies_in_the_lost_part_touches_it() -> None:
    """On the reverse strand; a record beside a transcript without untranslated ends lies outside of it."""
    transcript = Transcript("T.1", "G", "G", "protein_coding", "c", "-", ((10, 25), (40, 52)), ((10, 25), (40, 52)), 0, True, True)
    model = Model(transcript, lambda start, end: "C" * (end - start))
    loss = Loss(False, 0.1, 20, 27)
    touching = [at for at in range(60) if touches(model, loss, [at])]
    assert touching == [*range(10, 17)]
    assert not touches(model, loss, [8, 9, 52, 53])


@pytest.mark.parametrize("gene", ["GENA", "GENB"])
def test_a_lost_start_is_followed_by_the_next_in_frame(setting: Setting, gene: str) -> None:
    positions = setting.world.coding_positions(gene)
    letters = {at: base for base, _, at in spliced(setting.world, setting.world.transcripts[gene])}
    codons = ["".join(letters[at] for at in positions[i : i + 3]) for i in range(0, len(positions), 3)]
    change = Change(positions[0], positions[0] + 1, "G")
    loss = loss_of(model_of(setting.world, setting.world.transcripts[gene]), change, ["start_lost"])
    assert loss is not None
    assert loss.first_codon
    assert (loss.end - loss.start) // 3 == (codons.index("ATG", 1) if "ATG" in codons[1:] else len(codons))
