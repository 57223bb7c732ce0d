"""Reads are checked and measured; so are, later, alignments, the family and calls."""


rule ingest:
    input:
        expand(f"{OUT}/ingest/{{sample}}.qc.{{kind}}", sample=CASE.samples, kind=["json", "html"]),
        expand(f"{OUT}/gates/{{gate}}.json", gate=PLAN.gates_up_to("ingest")),


if CASE.run_folder:

    rule demultiplex:
        input:
            run=CASE.run_folder / "RunInfo.xml",
            sheet=CASE.sample_sheet,
        output:
            [path for sample in CASE.samples for path in CASE.read_files(sample)],
        log:
            f"{OUT}/logs/demultiplex.log",
        benchmark:
            f"{OUT}/timings/demultiplex.tsv"
        priority: MEASURED_FIRST
        threads: workflow.cores or 1
        params:
            run=CASE.run_folder,
            options=PLAN.run_options,
            only=[f"--only={sample}" for sample in CASE.samples],
            folder=PLAN.reads_folder,
        shell:
            "genopipe ingest run {params.run:q} --sample-sheet {input.sheet:q} --lane-splitting {params.only} {params.options}"
            " --threads {threads} -o {params.folder:q} 2> {log:q}"


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
    priority: MEASURED_FIRST
    params:
        reads=lambda wildcards: PLAN.read_options(wildcards.sample),
        folder=f"{OUT}/ingest",
    shell:
        "genopipe ingest fastq {params.reads} --sample {wildcards.sample} -o {params.folder:q} 2> {log:q}"


rule measure_alignments:
    input:
        bam=f"{OUT}/align/{{sample}}.bam",
        reference=CASE.reference / "reference.json",
        evidence=CASE.evidence,
        targets=CASE.targets or [],
    output:
        multiext(f"{OUT}/ingest/{{sample}}", ".aligned.json", ".aligned.html", ".genes.tsv", ".fingerprint.tsv"),
    log:
        f"{OUT}/logs/aligned.{{sample}}.log",
    benchmark:
        f"{OUT}/timings/aligned.{{sample}}.tsv"
    priority: MEASURED_FIRST
    params:
        reference=CASE.reference,
        sex=lambda wildcards: PLAN.sex_option(wildcards.sample),
        targets=PLAN.targets_option,
        folder=f"{OUT}/ingest",
    shell:
        "genopipe ingest aligned {input.bam:q} --reference {params.reference:q} --evidence {input.evidence:q}"
        " --sample {wildcards.sample} {params.sex} {params.targets} -o {params.folder:q} 2> {log:q}"


rule compare_family:
    input:
        expand(f"{OUT}/ingest/{{sample}}.fingerprint.tsv", sample=CASE.samples),
    output:
        f"{OUT}/ingest/family.json",
    log:
        f"{OUT}/logs/family.log",
    benchmark:
        f"{OUT}/timings/family.tsv"
    priority: MEASURED_FIRST
    params:
        pedigree=PLAN.pedigree,
    shell:
        "genopipe ingest family {input:q} --ped {params.pedigree:q} -o {output:q} 2> {log:q}"


rule measure_calls:
    input:
        f"{OUT}/call/{CASE.case}.vcf.gz",
    output:
        f"{OUT}/ingest/calls.json",
    log:
        f"{OUT}/logs/called.log",
    benchmark:
        f"{OUT}/timings/called.tsv"
    priority: MEASURED_FIRST
    shell:
        "genopipe ingest called {input:q} -o {output:q} 2> {log:q}"
