"""Haplotypes: variants applied to a reference, and the way back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genopipe.simulate.haplotypes import haplotype, reference_haplotypes
from genopipe.simulate.variation import Variant

ALLELE = st.text("ACGT", min_size=1, max_size=5)


@st.composite
def changed_reference(draw: st.DrawFn) -> tuple[str, list[Variant]]:
    """A reference as alternating unchanged stretches and variants."""
    reference, variants = draw(ALLELE), []
    for _ in range(draw(st.integers(0, 4))):
        old, new = draw(ALLELE), draw(ALLELE)
        variants.append(Variant("c", len(reference), old, new, 0, "rare"))
        reference += old + draw(st.text("ACGT", max_size=5))
    return reference, variants


@given(changed_reference())
def test_haplotype_is_the_reference_with_its_variants(case: tuple[str, list[Variant]]) -> None:
    """Oracle: pieces of text, and for each base the number of the reference base it came from."""
    reference, variants = case
    text, came_from, taken = "", [], 0
    for v in variants:
        text += reference[taken : v.position] + v.alternative
        came_from += [*range(taken, v.position), *(min(v.position + i, v.end - 1) for i in range(len(v.alternative)))]
        taken = v.end
    text += reference[taken:]
    came_from += range(taken, len(reference))
    made = haplotype("c", np.array(["ACGT".index(b) for b in reference], np.uint8), variants, depth=1)
    assert "".join("ACGT"[code] for code in made.base) == text
    assert made.reference_position(np.arange(len(text))).tolist() == came_from


def test_reference_haplotypes_are_unchanged() -> None:
    base = np.array([0, 1, 2, 3, 4], np.uint8)
    (made,) = reference_haplotypes({"c": base}, depth=12.5)
    assert made.base.tolist() == base.tolist()
    assert (made.contig, made.depth, made.circular) == ("c", 800, False)
