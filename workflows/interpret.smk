"""Variants, phenotype and evidence become a ranked, explained list."""


rule interpret:
    input:
        f"{OUT}/interpret/report.html",


rule name_star_alleles:
    input:
        gvcf=f"{OUT}/call/{CASE.proband.sample}.g.vcf.gz",
    output:
        multiext(f"{OUT}/pgx/", "pgx.json", "pgx.html"),
    log:
        f"{OUT}/logs/pgx.log",
    benchmark:
        f"{OUT}/timings/pgx.tsv"
    priority: PRIORITY
    params:
        definitions=CASE.pgx,
        folder=f"{OUT}/pgx",
    shell:
        "genopipe pgx --variants {input.gvcf:q} --definitions {params.definitions:q} -o {params.folder:q} 2> {log:q}"


rule rank_findings:
    input:
        vcf=f"{OUT}/call/{CASE.case}.vcf.gz",
        uncallable=f"{OUT}/call/{CASE.proband.sample}.uncallable.bed",
        bam=f"{OUT}/align/{CASE.proband.sample}.bam",
        case=CASE.path,
        reference=CASE.reference / "reference.json",
        pgx=[f"{OUT}/pgx/pgx.json"] if CASE.pgx else [],
        structural=CASE.structural or [],
        passed=expand(f"{OUT}/gates/{{gate}}.json", gate=PLAN.gates_up_to("interpret")),
    output:
        multiext(
            f"{OUT}/interpret/",
            *("findings.json", "findings.tsv", "findings.vcf.gz", "findings.vcf.gz.tbi", "phenopacket.json", "report.html"),
        ),
    log:
        f"{OUT}/logs/interpret.log",
    benchmark:
        f"{OUT}/timings/interpret.tsv"
    priority: PRIORITY
    params:
        evidence=CASE.evidence,
        reference=CASE.reference,
        issued=PLAN.issued,
        pgx=f"--pgx {quote(OUT)}/pgx/pgx.json" if CASE.pgx else "",
        structural=PLAN.structural_option,
        folder=f"{OUT}/interpret",
    shell:
        "genopipe interpret --variants {input.vcf:q} --case {input.case:q} --evidence {params.evidence:q}"
        " --reference {params.reference:q} --uncallable {input.uncallable:q} --reads {input.bam:q} --issued {params.issued} {params.pgx}"
        " {params.structural} -o {params.folder:q} 2> {log:q}"
