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
        sex=lambda wildcards: PLAN.sex_option(wildcards.sample),
    shell:
        "genopipe call --reference {CASE.reference} -i {input.bam} {params.sex} --threads {threads}"
        " --gvcf {output.gvcf} -o {output.vcf} 2> {log}"


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
        "genopipe joint {input} --ped {params.pedigree} -o {output.vcf} 2> {log}"


ruleorder: genotype_family > call_variants
