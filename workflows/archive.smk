"""Everything worth keeping goes into the archive, restored and compared before it counts as kept."""


rule archive:
    input:
        f"{OUT}/archive/receipt.json",


rule archive_sample:
    input:
        reads=lambda wildcards: CASE.read_files(wildcards.sample),
        bam=f"{OUT}/align/{{sample}}.bam",
        calls=multiext(f"{OUT}/call/{{sample}}", ".g.vcf.gz", ".uncallable.bed", ".coverage.tsv"),
        qc=f"{OUT}/ingest/{{sample}}.qc.json",
        passed=expand(f"{OUT}/gates/{{gate}}.json", gate=PLAN.gates_up_to("call")),
    output:
        f"{OUT}/archive/{{sample}}.receipt.json",
    log:
        f"{OUT}/logs/archive.{{sample}}.log",
    benchmark:
        f"{OUT}/timings/archive.{{sample}}.tsv"
    threads: workflow.cores or 1
    params:
        archive=CASE.archive,
        reference=CASE.reference,
        profile=PLAN.settings.value["archive_profile"],
    shell:
        "genopipe archive put {input.bam:q} {input.reads:q} {input.calls:q} {input.qc:q} --archive {params.archive:q}"
        " --sample {wildcards.sample} --reference {params.reference:q} --profile {params.profile} --receipt {output:q} 2> {log:q}"


rule archive_case:
    input:
        samples=expand(f"{OUT}/archive/{{sample}}.receipt.json", sample=CASE.samples),
        case=CASE.path,
        vcf=f"{OUT}/call/{CASE.case}.vcf.gz",
        findings=multiext(f"{OUT}/interpret/", "findings.json", "findings.tsv", "findings.vcf.gz", "phenopacket.json", "report.html"),
        pgx=[f"{OUT}/pgx/pgx.json"] if CASE.pgx else [],
        structural=CASE.structural or [],
    output:
        f"{OUT}/archive/receipt.json",
    log:
        f"{OUT}/logs/archive.log",
    benchmark:
        f"{OUT}/timings/archive.tsv"
    params:
        archive=CASE.archive,
        reference=CASE.reference,
        profile=PLAN.settings.value["archive_profile"],
        pgx=f"{quote(OUT)}/pgx/pgx.json" if CASE.pgx else "",
        samples=lambda wildcards, input: " ".join(f"--merge {quote(receipt)}" for receipt in input.samples),
    shell:
        "genopipe archive put {input.vcf:q} {input.findings:q} {input.structural:q} {params.pgx} --archive {params.archive:q} --case {input.case:q}"
        " --reference {params.reference:q} --profile {params.profile} {params.samples} --receipt {output:q} 2> {log:q}"
