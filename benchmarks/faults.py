"""What happens to an archive when everything goes wrong: nothing that was archived may be lost, and no wrong byte may be given out.

    benchmarks/faults.py [--kills 200] [--seed 1] [--output benchmarks/results/faults.json]

Kills put, get, gc, forget and repack with SIGKILL at random moments; flips a bit in, cuts short and removes objects and manifests; fills
the disk; lets writers race; and, where Ceph's radosgw is installed, lets one request in five to an S3 server fail. After each fault every
file that was archived before must come back byte for byte or, where an object was damaged on purpose, be refused with a message that
names it; the command that was disturbed must succeed when it is run again; and a collection must leave only what files need. Prints JSON;
exit code 1 when anything was lost or wrong.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measure import ROOT, options, report, versions, work_folder

from genopipe.archive.collect import collect
from genopipe.archive.forget import forget
from genopipe.archive.get import get_file
from genopipe.archive.opened import Archive
from genopipe.archive.put import put_files
from genopipe.archive.references import Reference
from genopipe.archive.rekeep import repack
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.errors import GenopipeError
from genopipe.store import Location, file_digest

OPERATIONS = ("put", "get", "gc", "forget", "repack")
WEIGHTS = (4, 4, 4, 1, 1)
DAMAGES = ("flip", "cut", "remove")
LONG_AGO = 3600


@dataclass(frozen=True, slots=True)
class Material:
    """What is archived: `kept` is in the archive from the start, under the sample `kept`; `new` is put, as the sample `new`.

    template    an archive that holds `kept` and an object that nothing needs
    """

    kept: list[Path]
    new: list[Path]
    reference: Path | None
    template: Path


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with work_folder(given.work) as folder:
        material = prepare(folder / "material", *simulated(folder))
        result = measure(folder, material, given.kills, random.Random(given.seed))
    report(result, given, versions("pysam", "obstore", "zstandard"))
    sys.exit(0 if result["lost_or_wrong"] == 0 else 1)


def measure(folder: Path, material: Material, kills: int, chance: random.Random) -> dict[str, Any]:
    """Every kind of fault; each gives a list of what was lost or wrong."""
    seconds = undisturbed(folder, material)
    chosen = chance.choices(OPERATIONS, WEIGHTS, k=kills)
    rounds: dict[str, list[list[str]]] = {
        f"kill {operation}": [killed(folder, material, operation, chance, seconds[operation]) for each in chosen if each == operation]
        for operation in OPERATIONS
    }
    rounds |= {f"{damage} file": [damaged(folder, material, damage, chance) for _ in range(20)] for damage in DAMAGES}
    rounds["full disk"] = [full_disk(folder, material, chance) for _ in range(10)]
    rounds["writers at once"] = [racing(folder, material) for _ in range(5)]
    rounds["s3 failing one in five"] = list(failing_server(material, range(3)))
    faults = [f"{kind}: {fault}" for kind, found in rounds.items() for each in found for fault in each]
    return {
        "rounds": {kind: len(found) for kind, found in rounds.items()},
        "undisturbed_seconds": {operation: round(taken, 2) for operation, taken in seconds.items()},
        "lost_or_wrong": len(faults),
        "faults": faults,
    }


def simulated(folder: Path) -> tuple[list[Path], list[Path], Path]:
    """Reads and alignments of two people, simulated and aligned; the first one's are kept from the start."""
    from genopipe.simulate.family import simulate_family

    family = simulate_family(folder / "family", genome_length=200_000, coverage=2, mitochondrial_coverage=2)
    genopipe("reference", "build", family.genome, "-o", folder / "reference")
    people = []
    for member in family.members[:2]:
        bam = folder / f"{member.sample}.bam"
        genopipe("align", "-1", member.r1, "-2", member.r2, "--reference", folder / "reference", "--sample", member.sample, "-o", bam)
        people.append([bam, member.r1, member.r2])
    note = folder / "note.json"
    note.write_text('{"note": 1}' * 1000)
    return [*people[0], note], people[1], folder / "reference"


def genopipe(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "genopipe", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def prepare(folder: Path, kept: list[Path], new: list[Path], reference: Path | None) -> Material:
    """Archives what is kept from the start."""
    material = Material(kept, new, reference, folder / "template")
    put(material.template, material, "kept")
    Archive.existing(material.template).store.put_bytes(b"left by a killed put")
    return material


def put(root: Location, material: Material, sample: str) -> None:
    reference = Reference.load(material.reference) if material.reference else None
    put_files(root, material.kept if sample == "kept" else material.new, PutOptions(sample, reference))


def operate(operation: str, root: Location, material: Material, out: Path) -> None:
    """Does one thing to an archive."""
    if operation == "put":
        put(root, material, "new")
    elif operation == "get":
        get_file(root, f"kept/{material.kept[0].name}", out)
    elif operation == "gc":
        collect(Archive.existing(root), grace_hours=0)
    elif operation == "forget":
        with contextlib.suppress(GenopipeError):  # forgotten already
            forget(Archive.existing(root), "kept", reason="test")
    else:
        repack(Archive.existing(root))


def undisturbed(folder: Path, material: Material) -> dict[str, float]:
    """Seconds that each operation takes when nobody disturbs it; the second time counts, when everything is compiled."""
    taken = {}
    for operation in OPERATIONS * 2:
        with fresh(folder, material) as root:
            started = time.monotonic()
            in_child(lambda operation=operation, root=root: operate(operation, root, material, folder / "out"))  # type: ignore[misc]
            taken[operation] = time.monotonic() - started
    return taken


@contextlib.contextmanager
def fresh(folder: Path, material: Material) -> Iterator[Path]:
    """A copy of the template."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        shutil.copytree(material.template, Path(place) / "A")
        yield Path(place) / "A"


def in_child(work: Callable[[], None], *, kill_after: float | None = None) -> int:
    """Does the work in a process (group) of its own, which is killed after some seconds; gives its exit code."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            work()
        except GenopipeError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        for kill in (lambda: os.killpg(child, signal.SIGKILL), lambda: os.kill(child, signal.SIGKILL)):
            with contextlib.suppress(ProcessLookupError):
                kill()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(folder: Path, material: Material, operation: str, chance: random.Random, seconds: float) -> list[str]:
    """One operation killed at a random moment, done again, and looked at."""
    with fresh(folder, material) as root:
        out = root.parent / "out"
        in_child(lambda: operate(operation, root, material, out), kill_after=chance.uniform(0, seconds))
        kept = [] if operation == "forget" else material.kept
        faults = lost(root, kept)
        if out.exists() and file_digest(out) != file_digest(material.kept[0]):
            faults.append("get left a file that is not whole")
        pass_time(root)
        operate(operation, root, material, out)
        faults += lost(root, [*kept, *(material.new if operation == "put" else [])])
        collect(Archive.existing(root), grace_hours=0)
        return [f"{operation}: {fault}" for fault in faults + left_over(root)]


def pass_time(root: Path) -> None:
    """As if the killed process had gone long ago."""
    for path in (root / "leases").glob("*"):
        os.utime(path, (time.time() - LONG_AGO * 48,) * 2)


def lost(root: Location, files: list[Path]) -> list[str]:
    """What is wrong in an archive, and which of the files do not come back."""
    faults = [str(fault) for fault in verify(root)]
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            back = Path(folder) / "back"
            try:
                get_file(root, file_digest(path), back)
            except GenopipeError as error:
                faults.append(f"{path.name} is lost: {error}")
                continue
            if file_digest(back) != file_digest(path):
                faults.append(f"{path.name} came back with other bytes")
    return faults


def left_over(root: Path) -> list[str]:
    """What a collection should not have left."""
    archive = Archive.existing(root)
    needed = {entry["digest"] for manifest in archive.manifests() for entry in manifest.objects}
    faults = [f"object {digest[:12]} stayed" for digest in archive.store.digests() if digest not in needed]
    faults += [f"{path.name} stayed" for folder in ("partial", "leases", "forgetting") for path in (root / folder).glob("*")]
    return faults


def damaged(folder: Path, material: Material, damage: str, chance: random.Random) -> list[str]:
    """A random file of the archive damaged: it must be found, and no file may come back with other bytes."""
    with fresh(folder, material) as root:
        store = Archive.existing(root).store
        needed = {entry["digest"] for manifest in Archive.existing(root).manifests() for entry in manifest.objects}
        paths = [root / "objects" / digest[:2] / digest[2:] for digest in sorted(set(store.digests()) & needed)]
        path = chance.choice(paths if damage == "remove" else paths + sorted((root / "manifests").iterdir()))
        harm(path, damage, chance)
        faults = [] if list(verify(root)) else [f"{damage} of {path.name[:12]} was not found by verify"]
        for file in material.kept:
            back = root.parent / "back"
            with contextlib.suppress(GenopipeError):
                get_file(root, f"kept/{file.name}", back)
                if file_digest(back) != file_digest(file):
                    faults.append(f"{damage}: {file.name} came back with other bytes")
        return faults


def harm(path: Path, damage: str, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: chance.randrange(len(content))])
    else:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)


def full_disk(folder: Path, material: Material, chance: random.Random) -> list[str]:
    """A put that may write no file beyond a random size; a disk of that size where one can be mounted."""
    with fresh(folder, material) as root, small_disk(root, chance) as limit:
        code = in_child(lambda: limited(limit, lambda: operate("put", root, material, root.parent / "out")))
        faults = lost(root, material.kept)
        if code not in (0, 1):
            faults.append(f"a full disk ended a put with code {code}")
        return faults


@contextlib.contextmanager
def small_disk(root: Path, chance: random.Random) -> Iterator[int | None]:
    """Moves the archive to a disk that soon is full; gives a limit for the sizes of files where none can be mounted."""
    size = sum(path.stat().st_blocks * 512 for path in root.rglob("*"))
    disk = root.parent / "disk"
    disk.mkdir()
    room = size + chance.randrange(4096, 400_000)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(disk)], capture_output=True, check=False).returncode:
        yield chance.randrange(1000, 100_000)
        return
    try:
        shutil.move(root, disk / "A")
        root.symlink_to(disk / "A")
        yield None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
        root.unlink()


def limited(limit: int | None, work: Callable[[], None]) -> None:
    import resource

    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    work()


def racing(folder: Path, material: Material) -> list[str]:
    """Four puts of the same files and a collection at once: each file is listed once and comes back."""
    with fresh(folder, material) as root:
        operations, children = ["put"] * 4 + ["gc"], []
        for operation in operations:
            child = os.fork()
            if child == 0:
                os._exit(in_child(lambda operation=operation: operate(operation, root, material, root.parent / "out")))  # type: ignore[misc]
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        faults = [f"{operation} ended with {code}" for operation, code in zip(operations, codes, strict=True) if code]
        names = [(m.sample, m.name) for m in Archive.existing(root).manifests()]
        faults += [f"{name} is listed twice" for name in set(names) if names.count(name) > 1]
        return faults + lost(root, [*material.kept, *material.new])


def failing_server(material: Material, seeds: range) -> Iterator[list[str]]:
    """Put, get, collection and verification against an S3 server behind a proxy that fails; nothing where no server is installed."""
    sys.path.insert(0, str(ROOT))
    from tests.flaky_proxy import flaky
    from tests.s3_server import environment, make_bucket, missing_program, s3_server

    if missing_program() is not None:
        return
    with tempfile.TemporaryDirectory(prefix="s3-") as place, s3_server(Path(place)) as address:
        make_bucket(address, "genomes")
        for seed in seeds:
            with flaky(address, seed=seed) as proxy:
                os.environ.update(environment(proxy) | {"XDG_CACHE_HOME": place})
                root = f"s3://genomes/{seed}"
                put(root, material, "kept")
                put(root, material, "new")
                collect(Archive.existing(root), grace_hours=0)
                yield lost(root, [*material.kept, *material.new])


if __name__ == "__main__":
    main()
