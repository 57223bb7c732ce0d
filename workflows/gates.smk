"""Measures are judged: a gate lets a stage's results through, warns, or ends the case with the reason in its report."""


rule judge:
    input:
        measures=lambda wildcards: PLAN.gate_measures(wildcards.gate),
        case=CASE.path,
    output:
        f"{OUT}/gates/{{gate}}.json",
    log:
        f"{OUT}/logs/gate.{{gate}}.log",
    benchmark:
        f"{OUT}/timings/gate.{{gate}}.tsv"
    priority: GATE
    params:
        limits=str(PLAN.gates),
        folder=OUT,
    shell:
        "genopipe gate {input.measures:q} --case {input.case:q} --results {params.folder:q} -o {output:q} 2> {log:q}"
