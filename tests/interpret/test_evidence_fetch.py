"""Fetching by URL and digest, from a server on this machine that breaks off, knows no ranges, or sends something else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from genopipe.cli.evidence import evidence
from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from genopipe.interpret import evidence_fetch
from genopipe.interpret.evidence import KINDS, datasets
from genopipe.interpret.evidence_fetch import fetch, read_manifest
from tests.conftest import ROOT
from tests.interpret.world import OBO

VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
DIGEST = hashlib.sha256(OBO.encode()).hexdigest()


@dataclass
class Server:
    """What the server has, how it behaves, and what it was asked for."""

    content: bytes = OBO.encode()
    files: dict[str, bytes] = field(default_factory=dict)
    breaks_after: int | None = None
    ranges: bool = True
    status: int | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    monkeypatch.setattr(evidence_fetch, "_PAUSE", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers["Range"])
            content = state.files.get(self.path, state.content)
            first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) if state.ranges else 0
            code = state.status or (206 if state.ranges else 200)
            if first >= len(content):
                code = 416
            body = content[first:] if code in (200, 206) else b""
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if state.breaks_after is None else body[: state.breaks_after])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}/hp.obo"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def manifest(folder: Path, server: Server, **changes: object) -> Path:
    entry = {"kind": "hpo", "name": "hpo", "version": "1", "date": "2026-01-01", "licence": "HPO", "url": server.url}
    digest = {"sha256": DIGEST}
    path = folder / "manifest.yaml"
    path.write_text(yaml.safe_dump({"datasets": [entry | digest | changes]}))
    return path


def test_a_data_set_is_fetched_once(tmp_path: Path, server: Server) -> None:
    arguments = ["fetch", str(manifest(tmp_path, server)), "--store", str(tmp_path / "E")]
    assert [CliRunner().invoke(evidence, arguments).output for _ in range(2)] == ["1 added\n", "0 added\n"]
    assert [known.name for known in datasets(tmp_path / "E")] == ["hpo"]
    assert len(server.asked) == 1
    assert not (tmp_path / "E" / "downloads").exists()


def test_md5_will_do_where_its_makers_publish_no_other(tmp_path: Path, server: Server) -> None:
    digest = hashlib.md5(OBO.encode()).hexdigest()
    assert fetch(tmp_path / "E", manifest(tmp_path, server, sha256=None, md5=digest)) == 1


def test_a_data_set_may_come_in_many_files(tmp_path: Path, server: Server) -> None:
    """The server has one file for each contig under one name; what was fetched of them before is not asked for again."""
    texts = {f"/{contig}/sites.vcf": VCF + f"{contig}\t7\t.\tA\tC\t.\t.\tAF=0.01\n" for contig in ("1", "2")}
    server.files = {path: text.encode() for path, text in texts.items()}
    files = [
        {"url": server.url.removesuffix("/hp.obo") + path, "md5": hashlib.md5(text.encode()).hexdigest()} for path, text in texts.items()
    ]
    about = {"kind": "frequency", "name": "sites", "version": "4", "date": "2026-01-01", "licence": "CC0-1.0", "assembly": "GRCh38"}
    for digest, outcome in (("0" * 32, pytest.raises(BadInput, match=r"2/sites\.vcf has the md5")), (files[1]["md5"], nullcontext())):
        (tmp_path / "manifest.yaml").write_text(yaml.safe_dump({"datasets": [about | {"files": [files[0], files[1] | {"md5": digest}]}]}))
        with outcome:
            fetch(tmp_path / "E", tmp_path / "manifest.yaml")
    assert [(known.name, known.records) for known in datasets(tmp_path / "E")] == [("sites", 2)]
    assert len(server.asked) == 4
    assert not (tmp_path / "E" / "downloads").exists()


def test_a_data_set_without_url_and_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("datasets:\n  - {kind: hpo, name: hpo, version: '1', date: 2026-01-01, licence: HPO}\n")
    with pytest.raises(BadConfiguration, match=r"m\.yaml:2: hpo has no url; wanted url with its digest, or files"):
        read_manifest(tmp_path / "m.yaml")


def test_a_broken_connection_is_taken_up_where_it_stopped(tmp_path: Path, server: Server) -> None:
    server.breaks_after = len(OBO) // 3 + 1
    assert fetch(tmp_path / "E", manifest(tmp_path, server)) == 1
    assert server.asked == [f"bytes={n * server.breaks_after}-" for n in range(3)]


def test_an_interrupted_fetch_goes_on_later(tmp_path: Path, server: Server) -> None:
    server.breaks_after = 10
    with pytest.raises(BadEnvironment, match="cannot be fetched"):
        fetch(tmp_path / "E", manifest(tmp_path, server))
    server.breaks_after, server.asked = None, []
    assert fetch(tmp_path / "E", manifest(tmp_path, server)) == 1
    assert server.asked == [f"bytes={10 * evidence_fetch.TRIES}-"]


def test_a_whole_download_that_was_not_added_is_not_fetched_again(tmp_path: Path, server: Server) -> None:
    kept = tmp_path / "E" / "downloads" / f"hpo@1-{DIGEST[:8]}-hp.obo"
    kept.parent.mkdir(parents=True)
    kept.write_text(OBO)
    assert fetch(tmp_path / "E", manifest(tmp_path, server)) == 1


def test_a_server_without_ranges_sends_all_again(tmp_path: Path, server: Server) -> None:
    server.ranges = False
    kept = tmp_path / "E" / "downloads" / f"hpo@1-{DIGEST[:8]}-hp.obo"
    kept.parent.mkdir(parents=True)
    kept.write_text("what came before")
    assert fetch(tmp_path / "E", manifest(tmp_path, server)) == 1


def test_another_digest_is_refused_and_nothing_kept(tmp_path: Path, server: Server) -> None:
    server.content = OBO.replace("Seizure", "Sneezing").encode() + b"\n"
    with pytest.raises(BadInput, match="has the sha256"):
        fetch(tmp_path / "E", manifest(tmp_path, server))
    assert not any((tmp_path / "E" / "downloads").iterdir())
    assert not (tmp_path / "E" / "datasets").exists()


@pytest.mark.parametrize("status, requests", [(404, 1), (503, evidence_fetch.TRIES)])
def test_a_server_that_refuses_is_told(tmp_path: Path, server: Server, status: int, requests: int) -> None:
    server.status = status
    with pytest.raises(BadEnvironment, match=str(status)):
        fetch(tmp_path / "E", manifest(tmp_path, server))
    assert len(server.asked) == requests


def test_a_server_that_is_not_there_is_told(tmp_path: Path, server: Server) -> None:
    with pytest.raises(BadEnvironment, match="cannot be fetched"):
        fetch(tmp_path / "E", manifest(tmp_path, server, url="http://127.0.0.1:9/hp.obo"))


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({"sha256": None}, r"manifest\.yaml:2: no digest of hpo"),
        (
            {"files": [{"url": "http://127.0.0.1/a", "md5": "0" * 32}]},
            r"manifest\.yaml:2: hpo has both url and files; wanted url with its digest",
        ),
        ({"files": [{"md5": "0" * 32}]}, "`url` is missing"),
        ({"files": []}, "does not fit"),
        ({"sha256": "12"}, "'12' does not fit"),
        ({"url": "ftp://example.org/hp.obo"}, "does not fit"),
        ({"colour": "red"}, "unknown key `colour`"),
        ({"date": "November"}, "'November' does not fit"),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_refused(tmp_path: Path, server: Server, changes: dict[str, object], fault: str) -> None:
    with pytest.raises(BadConfiguration, match=fault):
        fetch(tmp_path / "E", manifest(tmp_path, server, **changes))
    assert server.asked == []


@pytest.mark.parametrize("assembly", ["GRCh37", "GRCh38"])
def test_the_shipped_manifests_ask_for_digests_and_nothing_else(tmp_path: Path, assembly: str) -> None:
    shipped = ROOT / "reference" / f"evidence-{assembly}.yaml"
    with pytest.raises(BadConfiguration, match="no digest of hpo"):
        read_manifest(shipped)
    filled = tmp_path / "manifest.yaml"
    filled.write_text(shipped.read_text().replace("sha256: null", f"sha256: {'a' * 64}").replace("md5: null", f"md5: {'a' * 32}"))
    sources = read_manifest(filled)
    assert {source.kind for source in sources} <= set(KINDS)
    assert {source.release.assembly for source in sources} == {None, assembly}
    assert len({source.release.name for source in sources}) == len(sources)
