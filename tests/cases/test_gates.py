"""Gates: limits from three layers, a verdict for every measure, and a stop that is told everywhere and never silent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from genopipe.cases.gate_report import StoppedByGate, keep_judgement, stops
from genopipe.cases.gates import DEFAULTS, OF_TARGETS, Judgement, gates_with, judge
from genopipe.cases.status import case_statuses
from genopipe.cli import main
from genopipe.config import load_settings
from genopipe.errors import BadConfiguration, BadInput

SCHEMAS = Path(__file__).parents[2] / "genopipe" / "schemas"


def aligned(**changed: Any) -> dict[str, Any]:
    """Measures of a good sample, with changes."""
    document: dict[str, Any] = {
        "measures": "alignments",
        "sample": "S1",
        "reads": {"mapped_fraction": 0.99, "duplicate_fraction": 0.1},
        "coverage": {"mean": 35.0, "fraction_10x": 0.98},
        "contamination": {"fraction": 0.001},
        "sex": {"agrees": True, "found": "male", "said": "male"},
    }
    return document | changed


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "S1.aligned.json"
    path.write_text(json.dumps(document))
    return path


def verdicts(folder: Path, document: dict[str, Any], *layers: Any) -> dict[str, str]:
    return {one.metric: one.verdict for one in judge([write(folder, document)], gates_with(*layers)).verdicts}


def test_a_good_sample_passes_every_gate(tmp_path: Path) -> None:
    assert set(verdicts(tmp_path, aligned()).values()) == {"pass"}


@pytest.mark.parametrize(
    "changed, metric, verdict",
    [
        ({"coverage": {"mean": 15.0, "fraction_10x": 0.98}}, "mean_coverage", "warn"),
        ({"coverage": {"mean": 7.9, "fraction_10x": 0.98}}, "mean_coverage", "stop"),
        ({"contamination": {"fraction": 0.03}}, "contamination", "warn"),
        ({"contamination": {"fraction": 0.06}}, "contamination", "stop"),
        ({"contamination": None}, "contamination", "not measured"),
        ({"sex": {"agrees": False, "found": "male", "said": "female"}}, "sex_conflicts", "stop"),
        ({"sex": {"agrees": None, "found": "unclear", "said": "male"}}, "sex_unclear", "warn"),
    ],
)
def test_a_measure_beyond_a_limit_is_told(tmp_path: Path, changed: dict[str, Any], metric: str, verdict: str) -> None:
    assert verdicts(tmp_path, aligned(**changed))[metric] == verdict


def test_coverage_of_targets_is_named_as_such(tmp_path: Path) -> None:
    captured = judge([write(tmp_path, aligned(targets={"bases": 900}, coverage={"mean": 7.0, "fraction_10x": 0.5}))], gates_with())
    [stop] = captured.of("stop")
    assert stop.told().startswith("S1: mean depth of the targets is 7, limit 8 (")
    assert [one.name for one in captured.of("warn")] == ["bases of the targets at 10x"]
    assert "targets" not in "".join(one.name for one in judge([write(tmp_path, aligned())], gates_with()).verdicts)


@pytest.mark.parametrize("mean, at_10x, verdict", [(23.9, 0.95, "stop"), (59.0, 0.95, "warn"), (60.0, 0.90, "pass"), (99.0, 0.49, "stop")])
def test_captured_samples_have_limits_of_their_own(tmp_path: Path, mean: float, at_10x: float, verdict: str) -> None:
    measures = [write(tmp_path, aligned(targets={"bases": 900}, coverage={"mean": mean, "fraction_10x": at_10x}))]
    assert judge(measures, gates_with(captured=True)).worst == verdict
    genomes = {"mean_coverage": {"warn_below": 20, "stop_below": 8}, "fraction_10x": {}}
    assert judge(measures, gates_with(genomes, captured=True)).worst == "pass"


def test_a_swapped_sample_is_told_with_what_was_found(tmp_path: Path) -> None:
    pair = {"first": "C", "second": "M", "found": "unrelated", "said": "parent-child", "agrees": False}
    pairs = [
        pair,
        pair | {"second": "F", "agrees": True},
        pair | {"second": "G", "found": "other"},
        pair | {"second": "H", "found": "same"},
    ]
    family = {"measures": "family", "conflicts": 3, "pairs": pairs}
    (tmp_path / "family.json").write_text(json.dumps(family))
    other = aligned(sex={"agrees": False, "found": "male", "said": "female"})
    [sex, related] = judge([write(tmp_path, other), tmp_path / "family.json"], gates_with()).of("stop")
    assert sex.told() == "S1: samples of another sex than said is 1, limit 0: found male, said female (a swapped sample)"
    assert related.told() == (
        "family: pairs that contradict the pedigree is 3, limit 0: C and M: found unrelated, said parent-child;"
        " C and G: found another relation, said parent-child;"
        " C and H: found the same person, or identical twins, said parent-child (a swapped sample)"
    )


def test_the_case_wins_over_the_site_and_null_takes_a_gate_away(tmp_path: Path) -> None:
    site, case = {"mean_coverage": {"stop_below": 50}, "contamination": None}, {"mean_coverage": {"warn_below": 40}}
    assert verdicts(tmp_path, aligned(), site)["mean_coverage"] == "stop"
    found = verdicts(tmp_path, aligned(), site, case)
    assert found["mean_coverage"] == "warn"
    assert "contamination" not in found


def test_a_value_at_its_limit_passes(tmp_path: Path) -> None:
    assert verdicts(tmp_path, aligned(), {"mean_coverage": {"stop_below": 35, "warn_above": 35}})["mean_coverage"] == "pass"


def test_the_schemas_name_exactly_the_gates_there_are() -> None:
    for kind in ("case", "site"):
        schema = json.loads((SCHEMAS / f"{kind}.schema.json").read_text())
        assert set(schema["properties"]["gates"]["properties"]) == set(DEFAULTS)


def test_every_default_has_a_reason() -> None:
    assert all(gate.reason for gate in (*DEFAULTS.values(), *OF_TARGETS.values()))


def test_an_unknown_metric_or_limit_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("gates:\n  mean_coverage: {stop_below: 5}\n  contaminaton: {stop_above: 0.1}\n")
    with pytest.raises(BadConfiguration, match=r"site\.yaml:3: unknown key `contaminaton`.*Did you mean `contamination`"):
        load_settings({}, folder=tmp_path)
    (tmp_path / "site.yaml").write_text("gates:\n  mean_coverage: {stop_at: 5}\n")
    with pytest.raises(BadConfiguration, match=r"site\.yaml:2: unknown key `stop_at`"):
        load_settings({}, folder=tmp_path)
    (tmp_path / "site.yaml").write_text("gates:\n  mean_coverage: {stop_below: low}\n")
    with pytest.raises(BadConfiguration, match=r"site\.yaml:2: gates.mean_coverage.stop_below: 'low' does not fit"):
        load_settings({}, folder=tmp_path)


def stopped_case(tmp_path: Path) -> tuple[Path, Judgement]:
    results = tmp_path / "results" / "C1"
    (results / "gates").mkdir(parents=True)
    (results / "issued").write_text("2026-01-02T03:04:05Z\n")
    return results, judge([write(tmp_path, aligned(contamination={"fraction": 0.08}))], gates_with())


def test_a_stop_is_an_error_a_report_and_a_status(tmp_path: Path) -> None:
    results, judgement = stopped_case(tmp_path)
    with pytest.raises(StoppedByGate, match=r"S1: reads of somebody else is 0\.08, limit 0\.05"):
        keep_judgement(judgement, results / "gates" / "S1.alignments.json", results=results)
    assert not (results / "gates" / "S1.alignments.json").exists()
    page = (results / "interpret" / "report.html").read_text()
    assert "stopped by a quality gate" in page
    assert "S1: reads of somebody else is 0.08, limit 0.05" in page
    [status] = case_statuses(tmp_path / "results")
    assert status.done == ()
    assert status.stops == ("S1: reads of somebody else is 0.08, limit 0.05 (Jun et al. 2012: calls suffer from 2 %, and badly from 5 %)",)


def test_the_report_names_the_reason_wherever_the_verdicts_are_written(tmp_path: Path) -> None:
    results, judgement = stopped_case(tmp_path)
    with pytest.raises(StoppedByGate):
        keep_judgement(judgement, tmp_path / "verdicts.json", results=results)
    page = (results / "interpret" / "report.html").read_text()
    assert page.count("S1: reads of somebody else is 0.08, limit 0.05") == 1
    assert page.count('class="verdict stop"') == 1


def test_a_gate_that_passes_later_takes_its_stop_back(tmp_path: Path) -> None:
    results, judgement = stopped_case(tmp_path)
    output = results / "gates" / "S1.alignments.json"
    with pytest.raises(StoppedByGate):
        keep_judgement(judgement, output, results=results)
    assert stops(results)
    keep_judgement(judge([write(tmp_path, aligned())], gates_with()), output, results=results)
    assert not stops(results)
    assert json.loads(output.read_text())["verdict"] == "pass"


def test_the_command_ends_with_1_and_writes_no_verdict_of_passing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, aligned(coverage={"mean": 2.0, "fraction_10x": 0.0}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["genopipe", "gate", str(path), "-o", "out.json"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert "S1: mean depth of the autosomes is 2, limit 8" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("out*")] == ["out.stopped.json"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"measures": "reads"}', '{"measures": "other"}'])
def test_a_file_without_measures_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(BadInput, match=r"a\.json: no measures in it"):
        judge([tmp_path / "a.json"], gates_with())
