"""`genopipe call`: alignments to a VCF, and a gVCF if wanted.

Input is checked before anything is written: the BAM against the genome, the sample, the region. Then the windows of the grid are called in
a pool of threads and written in order, a few windows at a time, so that memory does not grow with the genome. A contig or region is
settled window by window, so the result depends neither on the number of threads nor on how a genome is split into regions along the grid.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from genopipe.call.coverage import Tally
from genopipe.call.lines import KINDS, block_line, gvcf_line, vcf_line
from genopipe.call.ploidy import Sex, is_absent
from genopipe.call.settings import DEFAULT, Settings
from genopipe.call.targets import read_targets
from genopipe.call.windows import Found, Source, Window, call_window
from genopipe.errors import BadConfiguration, BadInput
from genopipe.formats.bam_index import Bam, open_bam, sample_of
from genopipe.formats.genome import load_genome, resolve_contig
from genopipe.formats.vcf import check_name, contigs_of, header, vcf_writer
from genopipe.model import Contig, Genome
from genopipe.outputs import whole_file, writing
from genopipe.progress import log, progress


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


@dataclass(frozen=True, slots=True)
class Sample:
    """Whom to call: the name where the BAM holds several, and the sex where it is known."""

    name: str | None = None
    sex: Sex | None = None


def call_variants(
    reference: Path,
    bam_path: Path,
    outputs: Outputs,
    *,
    sample: Sample = Sample(),
    region: str | None = None,
    targets: Path | None = None,
    threads: int = 1,
    settings: Settings = DEFAULT,
) -> None:
    """Calls the variants of one sample. `reference` is a folder made by `genopipe reference build`, `targets` a BED of intervals whose
    coverage is told too.

    Raises BadInput for a BAM that is damaged, unsorted, unindexed, of another reference, or of an unclear sample, and for such a BED.
    """
    for path in (outputs.vcf, outputs.gvcf):
        if path is not None:
            check_name(path)
    if outputs.gvcf is not None and outputs.gvcf.resolve() == outputs.vcf.resolve():
        raise BadConfiguration("-o and --gvcf are the same file", wanted="two files", do="Name the gVCF x.g.vcf.gz.", path=outputs.vcf)
    genome, bam = load_genome(reference), open_bam(bam_path)
    name, read_groups = sample_of(bam, sample.name)
    row = match_contigs(genome, bam)
    spans = wanted_spans(genome, region)
    windows = [
        w
        for contig, start, end in spans
        if not is_absent(contig, sample.sex)
        for w in cells(contig, row.get(contig.name), start, end, settings)
    ]
    source = Source(bam, read_groups, read_targets(targets, genome) if targets is not None else None)

    def work(window: Window) -> Found:
        return call_window(source, genome, window, sex=sample.sex, settings=settings, with_blocks=outputs.gvcf is not None)

    with ExitStack() as stack:
        bed = stack.enter_context(whole_text(outputs.uncallable))
        coverage = stack.enter_context(whole_text(outputs.coverage))
        write = stack.enter_context(vcf_writer(outputs.vcf, header(contigs_of(genome), [name], KINDS)))
        write_gvcf = None
        if outputs.gvcf is not None:
            write_gvcf = stack.enter_context(
                vcf_writer(outputs.gvcf, header(contigs_of(genome), [name], ("ALT/NON_REF", "INFO/END", *KINDS)))
            )
        writers = Writers(write, write_gvcf, bed.write)
        tally = Tally.of(source.targets)
        _write_all(windows, work, writers, tally, threads=threads, settings=settings)
        coverage.write(tally.table())


@contextmanager
def whole_text(path: Path) -> Iterator[TextIO]:
    """A text file that appears whole or not at all."""
    with whole_file(path) as partial, writing(path), open(partial, "w") as file:
        yield file


def _write_all(
    windows: list[Window], work: Callable[[Window], Found], writers: Writers, tally: Tally, *, threads: int, settings: Settings
) -> None:
    """Writes all records, and adds the coverage to `tally`."""
    n_sites = n_regions = n_simple = 0
    with progress("calling", total=sum(w.end - w.start for w in windows), unit="bases") as counter:
        for window, found in in_order(windows, work, threads):
            writers.vcf("".join(vcf_line(window.contig, site, settings) for site in found.sites))
            if writers.gvcf is not None:
                writers.gvcf(_gvcf_text(window, found, settings))
            writers.uncallable("".join(f"{window.contig.name}\t{start}\t{end}\n" for start, end in found.coverage.uncallable))
            tally.add(window.contig.name, found.coverage)
            n_sites, n_regions, n_simple = n_sites + len(found.sites), n_regions + found.n_regions, n_simple + found.n_simple
            counter.advance(window.end - window.start)
    log.info("%s records; %s simple sites and %s regions compared", f"{n_sites:,}", f"{n_simple:,}", f"{n_regions:,}")


def _gvcf_text(window: Window, found: Found, settings: Settings) -> str:
    lines = [(site.position, gvcf_line(window.contig, site, settings)) for site in found.sites]
    lines += [(block.start, block_line(window.contig, block)) for block in found.blocks]
    return "".join(line for _, line in sorted(lines, key=lambda pair: pair[0]))


def in_order(windows: list[Window], work: Callable[[Window], Found], threads: int) -> Iterator[tuple[Window, Found]]:
    """Each window with its result, in order, at most two windows a thread ahead."""
    if threads == 1:
        yield from ((window, work(window)) for window in windows)
        return
    with ThreadPoolExecutor(threads) as pool:
        queue: deque[tuple[Window, Future[Found]]] = deque()
        try:
            for window in windows:
                queue.append((window, pool.submit(work, window)))
                if len(queue) > 2 * threads:
                    first, future = queue.popleft()
                    yield first, future.result()
            while queue:
                first, future = queue.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def cells(contig: Contig, bam_contig: int | None, start: int, end: int, settings: Settings) -> Iterator[Window]:
    """The cells of the grid that a span touches, cut to it."""
    for low in range(start - start % settings.window, end, settings.window):
        high = min(low + settings.window, contig.length)
        yield Window(contig, bam_contig, (low, high), max(low, start), min(high, end))


def match_contigs(genome: Genome, bam: Bam) -> dict[str, int]:
    """Row in the BAM of each contig of the genome that it has.

    Raises BadInput where a name has another length, or no contig with reads is known.
    """
    row: dict[str, int] = {}
    known = {contig.name: contig for contig in genome.contigs}
    strange = []
    for i, ours in enumerate(bam.contigs):
        contig = known.get(ours.name)
        if contig is None and bam.has_reads[i]:
            contig = _by_alias(genome, ours.name, ours.md5)
            if contig is None:
                strange.append(ours.name)
        if contig is None:
            continue
        if contig.length != ours.length:
            raise _other_reference(bam.path, f"{ours.name} has {ours.length:,} bases in the BAM and {contig.length:,} in the reference")
        if ours.md5 is not None and ours.md5.lower() != contig.md5:
            log.warning("%s: %s has another digest than in the reference, though the same length: masked differently?", bam.path, ours.name)
        row[contig.name] = i
    if strange and not any(bam.has_reads[i] for i in row.values()):
        raise _other_reference(bam.path, f"the reads lie on {', '.join(strange[:3])}, which the reference lacks")
    if strange:
        log.warning("%s: no calls on %d contigs that the reference lacks: %s", bam.path, len(strange), ", ".join(strange[:5]))
    return row


def _by_alias(genome: Genome, name: str, md5: str | None) -> Contig | None:
    try:
        return resolve_contig(genome, name, md5=md5)
    except BadInput:
        return None


def _other_reference(path: Path, came: str) -> BadInput:
    return BadInput(came, wanted="a BAM aligned to this reference", do="Give the reference that the reads were aligned to.", path=path)


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
