"""One case from reads to pointers: ingest, align, call, interpret, archive, ehr.

genopipe run CASE.yaml
snakemake --cores 2 --configfile CASE.yaml
"""

import os
import sys
from pathlib import Path
from shlex import quote

from snakemake.utils import min_version

from genopipe import provenance
from genopipe.cases.plan import plan_case

min_version("9.27")


envvars:
    "PATH",


# The genopipe that runs the steps is the one beside this Snakemake.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

PLAN = plan_case(workflow.configfiles, config)
CASE = PLAN.case
OUT = str(PLAN.folder)

# Measures come before the steps that cost most, gates before all, and what leads to the report before the archive. Gates are inputs of
# findings and archive, not of alignments and calls: Snakemake would not see that these have changed inputs of their own when a gate is judged anew.
GATE = 30
MEASURED_FIRST = 20
PRIORITY = 10


wildcard_constraints:
    sample="[A-Za-z0-9_-]+",
    gate="[A-Za-z0-9_-]+([.](reads|alignments))?",


rule all:
    default_target: True
    input:
        lambda wildcards: [path for stage in PLAN.stages for path in getattr(rules, stage).input],


include: "workflows/gates.smk"
include: "workflows/ingest.smk"
include: "workflows/align.smk"
include: "workflows/call.smk"
include: "workflows/interpret.smk"
include: "workflows/archive.smk"
include: "workflows/ehr.smk"


onstart:
    PLAN.start()


onsuccess:
    provenance.write_run_record(
        PLAN.folder,
        parameters=PLAN.parameters,
        inputs=[CASE.path, *(path for sample in CASE.samples for path in CASE.read_files(sample)), *PLAN.other_inputs],
        timings=PLAN.folder / "timings",
    )
