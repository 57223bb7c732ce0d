"""`genopipe call`: alignments to a VCF, and a gVCF if wanted.

Input is checked before anything is written: the BAM against the genome, the sample, the region. Without a model one is fitted first, to the
whole BAM whatever is to be called. Then the windows of the grid are called by worker processes and written here in order, a few windows at
a time, so that memory does not grow with the genome. Every window is settled whole and gives what begins in the wanted part of it, so the
records depend neither on the number of threads nor on how a genome is split into regions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from genopipe.call.coverage import Tally
from genopipe.call.fit import fit_model
from genopipe.call.forest import load_forest
from genopipe.call.handed import Settlers
from genopipe.call.input import Input, open_input
from genopipe.call.lines import KINDS
from genopipe.call.looks import Calling, Window
from genopipe.call.model import Model, check_model, read_model, reference_digest
from genopipe.call.ploidy import Sex, is_absent
from genopipe.call.pool import in_order
from genopipe.call.settings import DEFAULT, Settings
from genopipe.call.targets import wanted_targets
from genopipe.call.window_text import WindowText, window_text
from genopipe.call.windows import Tried
from genopipe.errors import BadConfiguration
from genopipe.formats.bam_index import Bam
from genopipe.formats.genome import load_genome, resolve_contig
from genopipe.formats.vcf import SEX_NOTE, check_name, contigs_of, header, vcf_writer
from genopipe.model import Contig, Genome
from genopipe.outputs import whole_file, writing
from genopipe.progress import Progress, log, progress

_Called = tuple[Window, WindowText]


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files to write; the other two stand beside the VCF."""

    vcf: Path
    gvcf: Path | None = None

    @property
    def uncallable(self) -> Path:
        return self.vcf.with_name(self.vcf.name.removesuffix(".vcf.gz") + ".uncallable.bed")

    @property
    def coverage(self) -> Path:
        return self.vcf.with_name(self.vcf.name.removesuffix(".vcf.gz") + ".coverage.tsv")


@dataclass(frozen=True, slots=True)
class Writers:
    """What takes the text of each file."""

    vcf: Callable[[str], object]
    gvcf: Callable[[str], object] | None
    uncallable: Callable[[str], object]
    coverage: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Sample:
    """Whom to call: the name where the BAM holds several, the sex where it is known, and the model where it is fitted already.

    filter                 a learnt filter in place of the plain thresholds
    accept_other_digests   contigs of the BAM may have other sequences than the reference's, if name and length agree
    """

    name: str | None = None
    sex: Sex | None = None
    model: Path | None = None
    filter: Path | None = None
    accept_other_digests: bool = False


def call_variants(
    reference: Path,
    alignments: Path | Bam,
    outputs: Outputs,
    *,
    sample: Sample = Sample(),
    region: str | None = None,
    targets: Path | None = None,
    genes: Path | None = None,
    threads: int = 1,
    settings: Settings = DEFAULT,
    check: Callable[[], object] = lambda: None,
    settlers: Settlers | None = None,
) -> None:
    """Calls the variants of one sample. `reference` is a folder made by `genopipe reference build`, `alignments` a BAM or CRAM, `targets`
    a BED of intervals and `genes` a gene model (GFF3, GTF) whose coverage is told too. `check` is asked time and again, and raises
    where there is no sense in going on. `settlers` settle what is looked at on a device.

    Raises BadInput for a BAM that is damaged, unsorted, unindexed, of another reference, or of an unclear sample, and for such a BED;
    BadConfiguration for outputs that are inputs or one another.
    """
    given = (alignments, sample.model, sample.filter, targets, genes)
    _check_outputs(outputs, [path for path in given if isinstance(path, Path)])
    forest = load_forest(sample.filter) if sample.filter is not None else None
    genome = load_genome(reference)
    reads = open_input(reference, genome, alignments, sample=sample.name, accept_other_digests=sample.accept_other_digests)
    spans = wanted_spans(genome, region)
    wanted = wanted_targets(targets, genes, genome)
    model = _model_of(genome, reads, sample, threads=threads, settings=settings)
    sex, note = _sex_of(sample, model)
    present = [span for span in spans if not is_absent(span[0], sex)]
    windows = [window for contig, start, end in present for window in cells(contig, reads.row.get(contig.name), start, end, settings)]
    with_blocks = outputs.gvcf is not None
    calling = Calling(genome, reads.bam, reads.read_groups, model, model.fitted(settings), sex, wanted, forest, with_blocks)
    kinds = KINDS if forest is None else (*KINDS, "FILTER/Learnt")
    head = partial(_header, genome, reads.sample, kinds, note)
    check()
    found_in = in_order(windows, partial(window_text, calling), threads) if settlers is None else settlers.texts(calling, windows)
    with found_in as found, _writers(outputs, head, threads) as writers:
        tally = Tally.of(wanted)
        with progress("calling", total=sum(window.end - window.start for window in windows), unit="bases") as counter:
            n_sites, tried = _write_all(_counted(found, check, counter), writers, tally)
        writers.coverage(tally.table())
    _tell(n_sites, tried, settings)


def _check_outputs(outputs: Outputs, inputs: list[Path]) -> None:
    for path in (outputs.vcf, outputs.gvcf):
        if path is not None:
            check_name(path)
    if outputs.gvcf is not None and outputs.gvcf.resolve() == outputs.vcf.resolve():
        raise BadConfiguration("-o and --gvcf are the same file", wanted="two files", do="Name the gVCF x.g.vcf.gz.", path=outputs.vcf)
    read = {path.resolve() for path in inputs}
    for path in (outputs.vcf, outputs.gvcf, outputs.uncallable, outputs.coverage):
        if path is not None and path.resolve() in read:
            raise BadConfiguration("the output is one of the inputs", wanted="a file of its own", do="Choose another output.", path=path)


def _counted(found: Iterable[_Called], check: Callable[[], object], counter: Progress) -> Iterator[_Called]:
    """What was found, told as progress; `check` is asked again after each window."""
    for window, text in found:
        yield window, text
        counter.advance(window.end - window.start)
        check()


def _header(genome: Genome, sample: str, kinds: tuple[str, ...], sex: str, more: tuple[str, ...]) -> str:
    return header(contigs_of(genome), [sample], (*more, *kinds), {SEX_NOTE: sex})


@contextmanager
def _writers(outputs: Outputs, head: Callable[[tuple[str, ...]], str], threads: int) -> Iterator[Writers]:
    """What writes the files, all of which appear at the end or none; `head` gives the header of a VCF with more kinds of lines."""
    with ExitStack() as stack:
        bed, coverage = (stack.enter_context(whole_text(path)) for path in (outputs.uncallable, outputs.coverage))
        write = stack.enter_context(vcf_writer(outputs.vcf, head(())))
        write_gvcf = None
        if outputs.gvcf is not None:
            write_gvcf = stack.enter_context(vcf_writer(outputs.gvcf, head(("ALT/NON_REF", "INFO/END")), threads=min(threads, 2)))
        yield Writers(write, write_gvcf, bed.write, coverage.write)


def _model_of(genome: Genome, reads: Input, sample: Sample, *, threads: int, settings: Settings) -> Model:
    """The model that was given, or one fitted now."""
    if sample.model is None:
        return fit_model(genome, reads, threads=threads, settings=settings)
    model = read_model(sample.model)
    check_model(model, sample.model, reference=reference_digest(genome), alignments=reads.bam.digest, sample=reads.sample)
    return model


def _sex_of(sample: Sample, model: Model) -> tuple[Sex | None, str]:
    """The sex to call with, and what the header says of it; a given one that the depth contradicts stands, with a warning."""
    seen = model.sex_chromosomes
    depth = f"X {seen.x_percent} % and Y {seen.y_percent} % of the autosomes" if seen.x_percent is not None else "not told by depth"
    if sample.sex is None:
        return seen.sex, f"{seen.sex or 'unknown'}, {depth}"
    if seen.x_percent is not None and seen.sex != sample.sex:
        log.warning("called as %s, as asked, but the depth says %s: %s. Another person's reads?", sample.sex, seen.sex or "neither", depth)
        return sample.sex, f"{sample.sex}, given; WARNING: the depth says {seen.sex or 'neither'}: {depth}"
    return sample.sex, f"{sample.sex}, given; {depth}"


@contextmanager
def whole_text(path: Path) -> Iterator[TextIO]:
    """A text file that appears whole or not at all."""
    with whole_file(path) as partial, writing(path), open(partial, "w") as file:
        yield file


def _write_all(found: Iterable[_Called], writers: Writers, tally: Tally) -> tuple[int, Tried]:
    """Writes all records, and adds the coverage to `tally`; gives how many records there are, and what was tried."""
    n_sites, tried = 0, Tried()
    for window, text in found:
        writers.vcf(text.vcf)
        if writers.gvcf is not None:
            writers.gvcf(text.gvcf)
        writers.uncallable(text.uncallable)
        tally.add(window.contig.name, text.coverage)
        n_sites, tried = n_sites + text.n_sites, Tried(*(a + b for a, b in zip(tried, text.tried, strict=True)))
    return n_sites, tried


def _tell(n_sites: int, tried: Tried, settings: Settings) -> None:
    log.info("%s records; %s simple sites and %s regions compared", f"{n_sites:,}", f"{tried.simple:,}", f"{tried.regions:,}")
    if tried.deep or tried.crowded:
        text = "%s regions were compared by %d of their fragments, %s by %d of their events, the best supported ones"
        log.info(text, f"{tried.deep:,}", settings.max_fragments, f"{tried.crowded:,}", settings.max_events)


def cells(contig: Contig, bam_contig: int | None, start: int, end: int, settings: Settings) -> Iterator[Window]:
    """The cells of the grid that a span touches, cut to it."""
    for low in range(start - start % settings.window, end, settings.window):
        high = min(low + settings.window, contig.length)
        yield Window(contig, bam_contig, (low, high), max(low, start), min(high, end))


def wanted_spans(genome: Genome, region: str | None) -> list[tuple[Contig, int, int]]:
    """Contig, start, end (0-based, half-open) of what to call: `C:S-E` (1-based, inclusive), `C`, or everything.

    Raises BadInput for an unknown contig, BadConfiguration for a region that makes no sense.
    """
    if region is None:
        return [(contig, 0, contig.length) for contig in genome.contigs]
    names = {contig.name for contig in genome.contigs}
    match = None if region in names else re.fullmatch(r"(.+):([\d,]+)-([\d,]+)", region)
    contig = resolve_contig(genome, match[1] if match else region)
    if match is None:
        return [(contig, 0, contig.length)]
    start, end = int(match[2].replace(",", "")) - 1, int(match[3].replace(",", ""))
    if not 0 <= start < end <= contig.length:
        raise BadConfiguration(
            f"{region!r} does not lie on {contig.name}, which has {contig.length:,} bases",
            wanted="CONTIG:START-END, 1-based and inclusive",
            do="Correct it.",
            key="--region",
        )
    return [(contig, start, end)]
