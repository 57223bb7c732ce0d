"""Pharmacogenomics: from genotypes to named alleles, what they do, and what that means for drugs.

In order: `definitions` reads the tables that the user brings, `genotypes` what a VCF says at their positions, `matching` and
`lowest_function` name the alleles, `mitochondria` looks at MT-RNR1, `outside_calls` takes what a VCF cannot tell, `phenotypes` looks up
what the alleles do, `run` joins them and writes the results.
"""
