"""Reads are checked and measured."""


rule ingest:
    input:
        expand(f"{OUT}/ingest/{{sample}}.qc.{{kind}}", sample=CASE.samples, kind=["json", "html"]),


rule measure_reads:
    input:
        lambda wildcards: CASE.read_files(wildcards.sample),
    output:
        json=f"{OUT}/ingest/{{sample}}.qc.json",
        html=f"{OUT}/ingest/{{sample}}.qc.html",
    log:
        f"{OUT}/logs/ingest.{{sample}}.log",
    benchmark:
        f"{OUT}/timings/ingest.{{sample}}.tsv"
    priority: PRIORITY
    params:
        reads=lambda wildcards: PLAN.read_options(wildcards.sample),
        folder=f"{OUT}/ingest",
    shell:
        "genopipe ingest fastq {params.reads} --sample {wildcards.sample} -o {params.folder:q} 2> {log:q}"
