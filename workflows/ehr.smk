"""Archived objects become pointer records for the EHR."""


rule ehr:
    input:
        f"{OUT}/ehr/bundle.json",


rule write_pointers:
    input:
        receipt=f"{OUT}/archive/receipt.json",
        findings=f"{OUT}/interpret/findings.json",
        case=CASE.path,
    output:
        f"{OUT}/ehr/bundle.json",
    log:
        f"{OUT}/logs/ehr.log",
    benchmark:
        f"{OUT}/timings/ehr.tsv"
    params:
        archive=CASE.archive,
        issued=PLAN.issued,
        key=lambda wildcards: PLAN.site_key_option,
    shell:
        "genopipe ehr pointers --case {input.case:q} --archive {params.archive:q} --receipt {input.receipt:q}"
        " --findings {input.findings:q} --issued {params.issued} {params.key} -o {output:q} 2> {log:q}"
