"""What a window adds to the files: text and counts, made where the window is called, so that there is little to hand on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from genopipe.call.coverage import Coverage
from genopipe.call.lines import texts
from genopipe.call.looks import Calling, Window
from genopipe.call.windows import Found, Tried, call_window


@dataclass(frozen=True, slots=True)
class WindowText:
    """Lines of the VCF, of the gVCF and of the BED of what is not callable; the counts of the coverage alone; how many sites, and what was
    tried."""

    vcf: str
    gvcf: str
    uncallable: str
    coverage: Coverage
    n_sites: int
    tried: Tried


def window_text(calling: Calling, window: Window) -> WindowText:
    """Calls a window and writes it down."""
    return written(calling, window, call_window(calling, window))


def written(calling: Calling, window: Window, found: Found) -> WindowText:
    """What was found in a window, written down."""
    vcf, gvcf = texts(window.contig, found.sites, found.blocks if calling.with_blocks else None)
    uncallable = "".join(f"{window.contig.name}\t{start}\t{end}\t{why}\n" for start, end, why in found.coverage.uncallable)
    return WindowText(vcf, gvcf, uncallable, replace(found.coverage, uncallable=[]), len(found.sites), found.tried)
