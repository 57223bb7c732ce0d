"""Reads become sorted, duplicate-marked, indexed alignments."""


rule align:
    input:
        expand(f"{OUT}/align/{{sample}}.bam", sample=CASE.samples),
        expand(f"{OUT}/gates/{{gate}}.json", gate=PLAN.gates_up_to("align")),


rule align_reads:
    input:
        reads=lambda wildcards: CASE.read_files(wildcards.sample),
        measured=f"{OUT}/ingest/{{sample}}.qc.json",
        reference=CASE.reference / "reference.json",
    output:
        bam=f"{OUT}/align/{{sample}}.bam",
        index=f"{OUT}/align/{{sample}}.bam.bai",
        duplicates=f"{OUT}/align/{{sample}}.duplicates.tsv",
    log:
        f"{OUT}/logs/align.{{sample}}.log",
    benchmark:
        f"{OUT}/timings/align.{{sample}}.tsv"
    priority: MEASURED_FIRST
    threads: workflow.cores or 1
    resources:
        gpu=int(PLAN.device == "gpu"),
    params:
        reads=lambda wildcards: PLAN.read_options(wildcards.sample),
        reference=CASE.reference,
        memory=PLAN.settings.value["memory"],
        device=PLAN.device,
    shell:
        "genopipe align --reference {params.reference:q} {params.reads} --sample {wildcards.sample} --threads {threads}"
        " --memory {params.memory} --device {params.device} -o {output.bam:q} 2> {log:q}"
