"""Small variants: from the alignments of one sample to a VCF and gVCF, and from the gVCFs of a family to one VCF.

In the order things happen: `caller` (checks, windows, files), `windows` (one window), `regions` (candidates), `simple` (single sites),
`evidence` and `haplotypes` (reads against haplotypes), `genotypes`, `blocks` and `coverage`, `lines` (text); `joint` and `family` are for
several samples. `view`, `events` and `sites` are the nouns, `settings` the numbers, `ploidy` the copies.
"""
