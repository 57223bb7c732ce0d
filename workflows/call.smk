"""Alignments become variants: of each sample, then of the family."""


rule call:
    input:
        f"{OUT}/call/{CASE.case}.vcf.gz",


rule call_variants:
    input:
        bam=f"{OUT}/align/{{sample}}.bam",
        index=f"{OUT}/align/{{sample}}.bam.bai",
        reference=CASE.reference / "reference.json",
    output:
        vcf=f"{OUT}/call/{{sample}}.vcf.gz",
        gvcf=f"{OUT}/call/{{sample}}.g.vcf.gz",
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
    shell:
        "genopipe call --reference {params.reference:q} -i {input.bam:q} {params.sex} --threads {threads}"
        " --gvcf {output.gvcf:q} -o {output.vcf:q} 2> {log:q}"


rule genotype_family:
    input:
        expand(f"{OUT}/call/{{sample}}.g.vcf.gz", sample=CASE.samples),
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
        "genopipe joint {input:q} --ped {params.pedigree:q} -o {output.vcf:q} 2> {log:q}"


ruleorder: genotype_family > call_variants
