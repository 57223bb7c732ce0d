"""A small genome, a family and its reads, all invented: the demonstration and the tests.

In the order things are made: `draws` (random integers), `sequence` (contigs), `genes`, `diagnosis` (the answer and the decoy), `variation`
(what the parents carry and pass on), `phenotypes` and `evidence` (the tables an interpretation needs), `haplotypes`, `sequencer` and
`reads` (what a sequencer would write); `tables` writes files, `family` puts all together, `case_file` writes the case. Nothing here is
taken from a real genome, person or database.
"""
