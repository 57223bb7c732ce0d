"""`genopipe status` tells from the results folder alone what stands and what runs."""

from __future__ import annotations

import fcntl
from pathlib import Path

from genopipe.cases.status import case_statuses


def test_stages_that_stand_are_done(tmp_path: Path) -> None:
    for name in ("C1/issued", "C1/ingest/S1.qc.json", "C1/align/S1.bam", "C2/issued", "C2/run.json", "other/file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    first, second = case_statuses(tmp_path)
    assert (first.case, first.done, first.running, first.complete) == ("C1", ("ingest", "align"), False, False)
    assert (second.case, second.done, second.complete) == ("C2", (), True)


def test_a_locked_case_is_running(tmp_path: Path) -> None:
    (tmp_path / "C1").mkdir()
    (tmp_path / "C1" / "issued").touch()
    with open(tmp_path / "C1" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [case.running for case in case_statuses(tmp_path)] == [True]
    assert [case.running for case in case_statuses(tmp_path)] == [False]
