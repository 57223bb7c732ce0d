"""Evidence by URL: a manifest names data sets, where they lie and what their digest must be; fetching adds those not yet there.

A download goes to `downloads/` in the evidence folder and continues where an earlier one stopped, if the server can. Only files whose
digests are the manifest's are converted and kept; then the downloads go away. Data sets that are there are not fetched again.
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genopipe import __version__
from genopipe.errors import BadConfiguration, BadEnvironment, BadInput
from genopipe.formats.yaml_document import check, read_yaml
from genopipe.interpret.evidence import Release, add, datasets
from genopipe.model import Genome
from genopipe.outputs import make_folder, writing
from genopipe.progress import Progress, log, progress

TRIES = 4
"""How often a download is taken up again after the connection broke."""

_TIMEOUT = 60.0
_PIECE = 1 << 20
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Remote:
    """A file elsewhere; `algorithm` and `digest` are what it must have."""

    url: str
    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Source:
    """One data set of a manifest."""

    kind: str
    release: Release
    files: tuple[Remote, ...]


def read_manifest(path: Path) -> list[Source]:
    """The data sets that a manifest names.

    Raises BadConfiguration, with the line, for a manifest that breaks its schema or leaves a digest open.
    """
    document, lines = read_yaml(path, "manifest")
    for entry in document.get("datasets") or ():
        if isinstance(entry, dict):
            entry.update({key: str(entry[key]) for key in ("version", "date") if key in entry})  # YAML makes numbers and dates of them
    check(document, lines, "fetch", path)
    return [_source(entry, path, lines.at(("datasets", i))) for i, entry in enumerate(document["datasets"])]


def _source(entry: dict[str, Any], path: Path, line: int) -> Source:
    if ("url" in entry) == ("files" in entry):
        raise BadConfiguration(
            f"{entry['name']} has {'both url and files' if 'url' in entry else 'no url'}",
            wanted="url with its digest, or files with one each",
            do="Give one of the two.",
            path=path,
            line=line,
        )
    release = Release(entry["name"], entry["version"], entry["date"], entry["licence"], entry.get("assembly"))
    return Source(entry["kind"], release, tuple(_remote(file, release.name, path, line) for file in entry.get("files", [entry])))


def _remote(file: dict[str, Any], name: str, path: Path, line: int) -> Remote:
    algorithm = next((known for known in ("sha256", "md5") if file.get(known)), None)
    if algorithm is None:
        raise BadConfiguration(
            f"no digest of {name}",
            wanted="sha256 or md5, as its makers publish it",
            do=f"Take it from beside {file['url']} and write it here.",
            path=path,
            line=line,
        )
    return Remote(file["url"], algorithm, file[algorithm].lower())


def fetch(folder: Path, manifest: Path, *, genome: Genome | None = None) -> int:
    """Downloads and adds the data sets of `manifest` that `folder` lacks; gives how many those were.

    Raises BadEnvironment when a server cannot be reached or sends something else than the file, BadInput for another digest.
    """
    present = {(known.name, known.version) for known in datasets(folder)} if (folder / "datasets").is_dir() else set()
    wanted = [source for source in read_manifest(manifest) if (source.release.name, source.release.version) not in present]
    downloads = make_folder(folder / "downloads")
    for source in wanted:
        log.info("fetching %s %s", source.release.name, source.release.version)
        of = f"{source.release.name}@{source.release.version}"
        files = [downloads / f"{of}-{remote.digest[:8]}-{Path(remote.url).name}" for remote in source.files]
        for remote, file in zip(source.files, files, strict=True):
            _download(remote, file, source.release.name)
            _check_digest(remote, file)
        add(folder, source.kind, *files, release=source.release, genome=genome)
        for file in files:
            file.unlink()
    if not any(downloads.iterdir()):
        downloads.rmdir()
    return len(wanted)


def _download(remote: Remote, file: Path, name: str) -> None:
    """Fetches what is missing of `file`, several times if the connection breaks."""
    for attempt in range(TRIES):
        try:
            with progress(f"fetching {name}", unit="bytes") as done, writing(file):
                _fetch_rest(remote.url, file, done)
            return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                raise _unreachable(remote, f"status {error.code}") from error
            fault: Exception = error
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            fault = error
        time.sleep(_PAUSE * 2**attempt)
    raise _unreachable(remote, str(fault)) from fault


def _unreachable(remote: Remote, what: str) -> BadEnvironment:
    return BadEnvironment(
        f"{remote.url} cannot be fetched ({what})",
        wanted="a server that sends the file",
        do="Check the address and the network; fetching again goes on where it stopped.",
    )


def _fetch_rest(url: str, file: Path, done: Progress) -> None:
    """Appends what the server has beyond the size of `file`; begins anew where it sends everything."""
    size = file.stat().st_size if file.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": f"genopipe/{__version__}", "Range": f"bytes={size}-"})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and size:
            return
        raise
    with response, open(file, "ab" if response.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as target:
        expected = response.length
        while piece := response.read(_PIECE):
            target.write(piece)
            done.advance(len(piece))
            expected = expected - len(piece) if expected is not None else None
        if expected:
            raise http.client.IncompleteRead(b"", expected)


def _check_digest(remote: Remote, file: Path) -> None:
    with open(file, "rb") as content:
        digest = hashlib.file_digest(content, remote.algorithm).hexdigest()
    if digest != remote.digest:
        file.unlink()
        raise BadInput(
            f"{remote.url} has the {remote.algorithm} {digest}",
            wanted=f"{remote.digest}, as in the manifest",
            do="Check that the manifest names this very release; what was fetched is gone.",
        )
