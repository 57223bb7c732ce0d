"""The case as a GA4GH phenopacket, version 2, with its candidates as an interpretation.

Nobody is named in it: the case id stands for the person. Source: phenopacket-schema.readthedocs.io, version 2.0.
"""

from __future__ import annotations

from typing import Any

from genopipe import __version__
from genopipe.interpret.findings import Finding, Hit, Interpretation
from genopipe.interpret.ontology import Ontology
from genopipe.interpret.variants import Variants

_ZYGOSITY = {
    "heterozygous": {"id": "GENO:0000135", "label": "heterozygous"},
    "homozygous": {"id": "GENO:0000136", "label": "homozygous"},
    "hemizygous": {"id": "GENO:0000134", "label": "hemizygous"},
    "homoplasmic": {"id": "GENO:0000602", "label": "homoplasmic"},
    "heteroplasmic": {"id": "GENO:0000603", "label": "heteroplasmic"},
}
_CLASS = {
    "pathogenic": "PATHOGENIC",
    "likely pathogenic": "LIKELY_PATHOGENIC",
    "uncertain significance": "UNCERTAIN_SIGNIFICANCE",
    "likely benign": "LIKELY_BENIGN",
    "benign": "BENIGN",
}
_ANY_DISEASE = {"id": "MONDO:0000001", "label": "disease"}


def phenopacket(result: Interpretation, issued: str | None) -> dict[str, Any]:
    """The content of phenopacket.json. `created` is left out when no date is issued."""
    subject = result.request.subject
    features = [_feature(result.ontology, term) for term in subject.observed]
    features += [_feature(result.ontology, term) | {"excluded": True} for term in subject.excluded]
    packet: dict[str, Any] = {
        "id": subject.case,
        "subject": {"id": subject.case, "sex": subject.sex.upper() if subject.sex != "unknown" else "UNKNOWN_SEX"},
        "phenotypicFeatures": features,
        "interpretations": [_interpretation(result, finding, number) for number, finding in enumerate(result.candidates, 1)],
        "metaData": _metadata(result, issued),
    }
    if not packet["interpretations"]:
        del packet["interpretations"]
    return packet


def _feature(ontology: Ontology, term: str) -> dict[str, Any]:
    number = ontology.resolve(term)
    return {"type": {"id": ontology.ids[number], "label": ontology.names[number]}}


def _interpretation(result: Interpretation, finding: Finding, number: int) -> dict[str, Any]:
    assert result.variants is not None
    diagnosis = {
        "disease": {"id": finding.diseases[0], "label": f"{finding.gene}-related disease"} if finding.diseases else _ANY_DISEASE,
        "genomicInterpretations": [_genomic(result, finding, hit, result.variants) for hit in finding.hits],
    }
    return {"id": f"{result.request.subject.case}-{number}", "progressStatus": "IN_PROGRESS", "diagnosis": diagnosis}


def _genomic(result: Interpretation, finding: Finding, hit: Hit, variants: Variants) -> dict[str, Any]:
    names = (("hgvs.c", hit.consequence.hgvs_c), ("hgvs.p", hit.consequence.hgvs_p))
    descriptor = {
        "id": hit.id or hit.name,
        "label": hit.name,
        "geneContext": {"valueId": hit.consequence.gene_id, "symbol": finding.gene},
        "expressions": [{"syntax": syntax, "value": value} for syntax, value in names if value],
        "vcfRecord": {
            "genomeAssembly": result.request.evidence.assembly or "",
            "chrom": variants.contig[hit.row],
            "pos": str(variants.position[hit.row] + 1),
            "ref": variants.ref[hit.row],
            "alt": variants.alt[hit.row],
        },
        "moleculeContext": "genomic",
        "allelicState": _ZYGOSITY[zygosity(result, hit.row)],
    }
    return {
        "subjectOrBiosampleId": result.request.subject.case,
        "interpretationStatus": "CANDIDATE",
        "variantInterpretation": {
            "acmgPathogenicityClassification": _CLASS[hit.acmg.verdict],
            "variationDescriptor": {key: value for key, value in descriptor.items() if value},
        },
    }


def zygosity(result: Interpretation, row: int) -> str:
    """heterozygous, homozygous or hemizygous, of the proband; of mitochondria heteroplasmic or homoplasmic."""
    variants = result.variants
    assert variants is not None
    count, ploidy = int(variants.alt_count[row, 0]), int(variants.ploidy[row, 0])
    one_copy = variants.key[row] in ("X", "Y") and result.request.subject.sex == "male"
    if variants.key[row] == "MT":
        return "heteroplasmic" if count < ploidy else "homoplasmic"
    if count < ploidy:
        return "heterozygous"
    return "hemizygous" if ploidy == 1 or one_copy else "homozygous"


def _metadata(result: Interpretation, issued: str | None) -> dict[str, Any]:
    hpo = result.request.evidence.one("hpo")
    resource = {
        "id": "hp",
        "name": "human phenotype ontology",
        "url": "http://purl.obolibrary.org/obo/hp.owl",
        "version": hpo.version if hpo is not None else "",
        "namespacePrefix": "HP",
        "iriPrefix": "http://purl.obolibrary.org/obo/HP_",
    }
    evidence = result.request.evidence
    reference = {"id": f"sha256:{evidence.digest}", "description": f"evidence set {evidence.name} of genopipe"}
    document: dict[str, Any] = {
        "createdBy": f"genopipe {__version__}",
        "resources": [resource],
        "phenopacketSchemaVersion": "2.0",
        "externalReferences": [reference],
    }
    return document if issued is None else {"created": issued} | document
