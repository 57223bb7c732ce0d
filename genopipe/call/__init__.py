"""Small variants: from the alignments of one sample to a VCF and gVCF, and from the gVCFs of a family to one VCF.

In the order things happen: `input` (the reads, checked), `fit` (what is learnt of a sample: `recalibration`, `gap_errors`, and the sex;
kept as a `model`), `caller` (windows, files), `windows` (one window), `regions` (candidates), `simple` (single sites), `evidence` and
`haplotypes` (reads against haplotypes), `genotypes`, `mitochondria` (mixtures), `bias`, `filters`, `phasing`, `blocks`, `coverage` and
`targets`, `lines` (text); `joint` and `family` are for several samples. `view`, `events` and `sites` are the nouns, `settings` the numbers,
`ploidy` and `copies` the copies.
"""
