"""Alignments become variants: of each sample, then of the family."""


rule call:
    input:
        f"{OUT}/call/{CASE.case}.vcf.gz",
        expand(f"{OUT}/gates/{{gate}}.json", gate=PLAN.gates_up_to("call")),


rule fit_model:
    input:
        bam=f"{OUT}/align/{{sample}}.bam",
        index=f"{OUT}/align/{{sample}}.bam.bai",
        reference=CASE.reference / "reference.json",
    output:
        f"{OUT}/call/{{sample}}.model.json",
    log:
        f"{OUT}/logs/fit.{{sample}}.log",
    benchmark:
        f"{OUT}/timings/fit.{{sample}}.tsv"
    priority: PRIORITY
    threads: workflow.cores or 1
    params:
        reference=CASE.reference,
    shell:
        "genopipe fit --reference {params.reference:q} -i {input.bam:q} --threads {threads} -o {output:q} 2> {log:q}"


rule call_variants:
    input:
        bam=f"{OUT}/align/{{sample}}.bam",
        index=f"{OUT}/align/{{sample}}.bam.bai",
        model=f"{OUT}/call/{{sample}}.model.json",
        reference=CASE.reference / "reference.json",
        targets=CASE.targets or [],
    output:
        vcf=f"{OUT}/call/{{sample}}.vcf.gz",
        gvcf=f"{OUT}/call/{{sample}}.g.vcf.gz",
        indexes=multiext(f"{OUT}/call/{{sample}}", ".vcf.gz.tbi", ".g.vcf.gz.tbi"),
        uncallable=f"{OUT}/call/{{sample}}.uncallable.bed",
        coverage=f"{OUT}/call/{{sample}}.coverage.tsv",
    log:
        f"{OUT}/logs/call.{{sample}}.log",
    benchmark:
        f"{OUT}/timings/call.{{sample}}.tsv"
    priority: PRIORITY
    threads: workflow.cores or 1
    params:
        reference=CASE.reference,
        sex=lambda wildcards: PLAN.sex_option(wildcards.sample),
        targets=PLAN.targets_option,
    shell:
        "genopipe call --reference {params.reference:q} -i {input.bam:q} --model {input.model:q} {params.sex} {params.targets}"
        " --threads {threads} --gvcf {output.gvcf:q} -o {output.vcf:q} 2> {log:q}"


rule genotype_family:
    input:
        gvcf=expand(f"{OUT}/call/{{sample}}.g.vcf.gz", sample=CASE.samples),
    output:
        vcf=f"{OUT}/call/{CASE.case}.vcf.gz",
        index=f"{OUT}/call/{CASE.case}.vcf.gz.tbi",
    log:
        f"{OUT}/logs/joint.log",
    benchmark:
        f"{OUT}/timings/joint.tsv"
    priority: PRIORITY
    params:
        pedigree=PLAN.pedigree,
    shell:
        "genopipe joint {input.gvcf:q} --ped {params.pedigree:q} -o {output.vcf:q} 2> {log:q}"


ruleorder: genotype_family > call_variants
