"""The gates of a case on disk: what each decided, and the report of a case that was stopped.

Every gate leaves `gates/NAME.json`; one that stops leaves `gates/NAME.stopped.json` instead, because the workflow engine takes the output
of a failed step away, and the report `interpret/report.html`, which names the reason. A gate that passes later takes its stop back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from genopipe import ingest
from genopipe.cases.gates import STOP, WARN, Judgement, Verdict
from genopipe.errors import GenopipeError
from genopipe.outputs import whole_file, write_json
from genopipe.progress import log

STOPPED = ".stopped.json"
REPORT = Path("interpret") / "report.html"


class StoppedByGate(GenopipeError):
    """A measure beyond a limit that ends the case."""


def keep_judgement(judgement: Judgement, output: Path, *, results: Path | None = None) -> None:
    """Writes the verdicts to `output`. A stop is written beside it, and as the report of the case in `results`, and then raised."""
    stopped = output.with_name(output.name.removesuffix(".json") + STOPPED)
    for one in judgement.of(WARN):
        log.warning("%s", one.told())
    if judgement.worst != STOP:
        write_json(output, judgement.document())
        stopped.unlink(missing_ok=True)
        return
    write_json(stopped, judgement.document())
    if results is not None:
        write_stop_report(results, judgement)
    reasons = "; ".join(one.told() for one in judgement.of(STOP))
    raise StoppedByGate(
        f"stopped by a quality gate: {reasons}",
        wanted="measures within the limits",
        do="Look at the sample; to go on in spite of it, change `gates:` in the case file and run again.",
        path=stopped,
    )


def case_verdicts(results: Path) -> Iterator[Verdict]:
    """All verdicts of a case so far, gate by gate."""
    for path in sorted((results / "gates").glob("[!.]*.json")):
        for one in json.loads(path.read_text())["gates"]:
            yield Verdict(**one)


def stops(results: Path) -> list[str]:
    """Why a case was stopped, a sentence each; empty where it was not."""
    paths = sorted((results / "gates").glob(f"[!.]*{STOPPED}"))
    verdicts = [Verdict(**one) for path in paths for one in json.loads(path.read_text())["gates"]]
    return [one.told() for one in verdicts if one.verdict == STOP]


def write_stop_report(results: Path, judgement: Judgement) -> None:
    """Writes the page of a case that `judgement` stops, with what the gates before it decided."""
    loader = FileSystemLoader([Path(__file__).parent, Path(ingest.__file__).parent])
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.get_template("stopped.html").render(_told(results, judgement))
    with whole_file(results / REPORT) as partial:
        partial.write_text(page + "\n", encoding="utf-8")


def _told(results: Path, judgement: Judgement) -> dict[str, Any]:
    verdicts = list({(one.sample, one.metric): one for one in (*case_verdicts(results), *judgement.verdicts)}.values())
    order = {verdict: i for i, verdict in enumerate((STOP, WARN))}
    issued = results / "issued"
    return {
        "case": results.name,
        "issued": issued.read_text().strip() if issued.is_file() else "",
        "stops": [one for one in verdicts if one.verdict == STOP],
        "verdicts": sorted(verdicts, key=lambda one: (order.get(one.verdict, 2), one.sample, one.metric)),
    }
