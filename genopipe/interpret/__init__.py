"""Variants, phenotype and evidence to ranked, explained findings.

In the order things happen: `evidence` (what is known, in locked sets), `subject` (who the case is about), `variants` (what the family
carries, in one spelling by `normalise`), `annotate` (frequency and ClinVar), `transcripts` and `consequence` with `hgvs` (what a variant
does to a gene), `inheritance`, `ontology` and `phenotype` (how the patient fits the gene), `acmg`, `ranking` (all of it together),
`reasons`, and `results` with `phenopacket` and `report` (what is written).
"""
