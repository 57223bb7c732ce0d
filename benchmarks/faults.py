"""What happens to an archive when everything goes wrong: nothing that was archived may be lost, and no wrong byte may be given out.

    benchmarks/faults.py [--kills 200] [--seed 1] [--minutes 10 --work FOLDER] [--output benchmarks/results/faults.json]

Kills put, get, gc, forget, repack and rekey with SIGKILL at random moments, in a folder, in an encrypted one and, where Ceph's radosgw is
installed, on S3; flips a bit in, cuts short and removes objects and manifests; fills the disk; lets writers race; and lets one request in
five to the S3 server fail. After each fault every file archived before must come back byte for byte or, where an object was damaged
on purpose, be refused with a message that names it, and be whole again when it is put again; the command that was disturbed must succeed
when it is run again; and a collection must leave only what files need. With --minutes it stops after so long, and goes on when it is run
again with the same folder. Prints JSON; exit code 1 when anything was lost or wrong, 2 when rounds are left to be done.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
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
from genopipe.archive.rekey import rekey
from genopipe.archive.representations import PutOptions
from genopipe.archive.verify import verify
from genopipe.errors import GenopipeError
from genopipe.store import Location, file_digest, is_s3, open_files

OPERATIONS = ("put", "get", "gc", "forget", "repack", "rekey")
WEIGHTS = (4, 4, 4, 1, 1, 2)
PLACES = ("folder", "encrypted", "s3")
SHARES = (6, 3, 2)
DAMAGES = ("flip", "cut", "remove")
LONG_AGO = 3600 * 48
UNFINISHED = "not, or not only, encrypted to the keys"


@dataclass(frozen=True, slots=True)
class Material:
    """What is archived: `kept` is in the archive from the start, under the sample `kept`; `new` is put, as the sample `new`.

    template    an archive in a folder that holds `kept` and an object that nothing needs
    bucket      where on S3 its copies are made; None for folders
    """

    kept: list[Path]
    new: list[Path]
    reference: Path | None
    template: Path
    bucket: str | None = None


Round = Callable[[], list[str]]
"""Gives what was lost or wrong."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float)
    given = parser.parse_args()
    deadline = time.monotonic() + 60 * given.minutes if given.minutes else None
    with work_folder(given.work) as folder, contextlib.ExitStack() as server:
        known = folder / "rounds.json"
        done: dict[str, list[str]] = json.loads(known.read_text()) if known.exists() else {}
        materials = prepared(folder)
        address = server.enter_context(s3()) if can_serve() else None
        if address:
            materials["s3"] = replace(materials["folder"], bucket="s3://genomes")
        seconds = measured(folder, materials["folder"])
        rounds = all_rounds(folder, materials, address, seconds, chance=random.Random(given.seed), kills=given.kills)
        for name, one in rounds.items():
            if name not in done and (deadline is None or time.monotonic() < deadline):
                done[name] = one()
                known.write_text(json.dumps(done))
                print(f"{len(done)} of {len(rounds)}: {name}", *done[name], file=sys.stderr, sep="\n  ")
    if len(done) < len(rounds):
        print(f"{len(rounds) - len(done)} rounds are left: run it again", file=sys.stderr)
        sys.exit(2)
    faults = [f"{name}: {fault}" for name, found in done.items() for fault in found]
    counted = Counter(name.rpartition(" ")[0] for name in done)
    given.minutes = None
    result = {"rounds": dict(sorted(counted.items())), "undisturbed_seconds": seconds, "lost_or_wrong": len(faults), "faults": faults}
    report(result, given, versions("pysam", "obstore", "zstandard", "crypt4gh"))
    sys.exit(0 if not faults else 1)


def all_rounds(
    folder: Path, materials: dict[str, Material], address: str | None, seconds: dict[str, float], *, chance: random.Random, kills: int
) -> dict[str, Round]:
    """Every kind of fault, by name; each draws from a chance of its own, so that it does not matter which were done before."""
    rounds: dict[str, Round] = {}
    places = [place for place in PLACES if place in materials]

    def own() -> random.Random:
        return random.Random(chance.random())

    for i in range(kills):
        operation, place = chance.choices(OPERATIONS, WEIGHTS)[0], chance.choices(places, SHARES[: len(places)])[0]
        longest = seconds[operation] * (3 if place == "s3" else 1)
        rounds[f"kill {operation}, {place} {i}"] = partial(killed, folder, materials[place], operation, own(), longest)
    for i, damage in enumerate(DAMAGES * 20):
        place = ("folder", "encrypted")[i % 2]
        rounds[f"{damage} file, {place} {i}"] = partial(damaged, folder, materials[place], damage, own())
    for i in range(10):
        place = ("folder", "encrypted")[i % 2]
        rounds[f"full disk, {place} {i}"] = partial(full_disk, folder, materials[place], own())
    for i in range(6):
        place = places[i % len(places)]
        rounds[f"writers at once, {place} {i}"] = partial(racing, folder, materials[place])
    for i in range(4) if address else ():
        rounds[f"s3 failing one in five {i}"] = partial(failing_server, materials["folder"], str(address), i, encrypt=i % 2 == 1)
    return rounds


def prepared(folder: Path) -> dict[str, Material]:
    """The material, plain and encrypted, and the keys, as an earlier run with this folder left it."""
    kept = folder / "material.pickle"
    use_keys(folder)
    if not kept.exists():
        plain = prepare(folder / "material", *simulated(folder))
        sealed = prepare(folder / "sealed", plain.kept, plain.new, plain.reference, encrypt=True)
        kept.write_bytes(pickle.dumps({"folder": plain, "encrypted": sealed}))
    materials: dict[str, Material] = pickle.loads(kept.read_bytes())
    return materials


def use_keys(folder: Path) -> None:
    """Makes the keys `old` and `new`, and sets them: files are written to the old one, and either is read."""
    from crypt4gh.keys.c4gh import generate

    for name in ("old", "new"):
        if not (folder / f"{name}.pub").exists():
            with contextlib.redirect_stderr(None):
                generate(folder / f"{name}.sec", folder / f"{name}.pub", None, None)
    os.environ["GENOPIPE_ARCHIVE_PUBLIC_KEYS"] = str(folder / "old.pub")
    os.environ["GENOPIPE_ARCHIVE_SECRET_KEY_FILE"] = f"{folder / 'old.sec'}:{folder / 'new.sec'}"


def exchange_keys(root: Location) -> None:
    """Writes an archive to the new key, also one that is not encrypted."""
    old = os.environ["GENOPIPE_ARCHIVE_PUBLIC_KEYS"]
    os.environ["GENOPIPE_ARCHIVE_PUBLIC_KEYS"] = str(Path(old).with_name("new.pub"))
    try:
        faults = rekey(root, encrypt=True).faults
    finally:
        os.environ["GENOPIPE_ARCHIVE_PUBLIC_KEYS"] = old
    assert not faults, faults


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


def prepare(folder: Path, kept: list[Path], new: list[Path], reference: Path | None, *, encrypt: bool = False) -> Material:
    """Archives what is kept from the start."""
    material = Material(kept, new, reference, folder / "template")
    Archive.create(material.template, encrypt=encrypt)
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
    elif operation == "rekey":
        exchange_keys(root)
    else:
        repack(Archive.existing(root))


def measured(folder: Path, material: Material) -> dict[str, float]:
    """Seconds of each operation, as an earlier run with this folder measured them."""
    known = folder / "seconds.json"
    if not known.exists():
        known.write_text(json.dumps(undisturbed(folder, material)))
    seconds: dict[str, float] = json.loads(known.read_text())
    return seconds


def undisturbed(folder: Path, material: Material) -> dict[str, float]:
    """Seconds that each operation takes when nobody disturbs it; the second time counts, when everything is compiled."""
    taken = {}
    for operation in OPERATIONS * 2:
        with fresh(folder, material) as root:
            started = time.monotonic()
            in_child(lambda operation=operation, root=root: operate(operation, root, material, folder / "out"))  # type: ignore[misc]
            taken[operation] = round(time.monotonic() - started, 2)
    return taken


@contextlib.contextmanager
def fresh(folder: Path, material: Material) -> Iterator[Location]:
    """A copy of the template."""
    if material.bucket:
        root = f"{material.bucket}/{uuid.uuid4().hex}"
        apart(root, lambda: copy_to(root, material.template))
        yield root
        return
    with tempfile.TemporaryDirectory(dir=folder) as place:
        shutil.copytree(material.template, Path(place) / "A")
        yield Path(place) / "A"


def copy_to(root: Location, template: Path) -> None:
    files = open_files(root)
    for path in template.rglob("*"):
        if path.is_file() and path.name != "ledger.sqlite":
            files.add(path.relative_to(template).as_posix(), path)


def apart(root: Location, work: Callable[[], Any]) -> Any:
    """The answer of work, which is done in a process of its own where it talks to S3: who has talked there cannot be copied by `fork`."""
    if not is_s3(root):
        return work()
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told"
        code = in_child(lambda: told.write_bytes(pickle.dumps(work())))
        return pickle.loads(told.read_bytes()) if code == 0 else [f"a step ended with code {code}"]


def in_child(work: Callable[[], object], *, kill_after: float | None = None) -> int:
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
    with fresh(folder, material) as root, tempfile.TemporaryDirectory(dir=folder) as place:
        out = Path(place) / "out"
        in_child(lambda: operate(operation, root, material, out), kill_after=chance.uniform(0, seconds))
        return list(apart(root, lambda: done_again(operation, root, material, out)))


def done_again(operation: str, root: Location, material: Material, out: Path) -> list[str]:
    kept = [] if operation == "forget" else material.kept
    faults = [fault for fault in lost(root, kept) if operation != "rekey" or UNFINISHED not in fault]
    if out.exists() and file_digest(out) != file_digest(material.kept[0]):
        faults.append("get left a file that is not whole")
    pass_time(root)
    operate(operation, root, material, out)
    faults += lost(root, [*kept, *(material.new if operation == "put" else [])])
    collect(Archive.existing(root), grace_hours=0)
    return faults + left_over(root)


def pass_time(root: Location) -> None:
    """As if the killed process had gone long ago."""
    files = open_files(root)
    for found in list(files.listed("leases/")):
        if is_s3(root):
            files.delete(found.name)
        else:
            os.utime(Path(root) / found.name, (time.time() - LONG_AGO,) * 2)
    if not is_s3(root):
        for path in Path(root, "partial").glob("*"):
            os.utime(path, (time.time() - LONG_AGO,) * 2)


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


def left_over(root: Location) -> list[str]:
    """What a collection should not have left."""
    archive = Archive.existing(root)
    needed = {entry["digest"] for manifest in archive.manifests() for entry in manifest.objects}
    faults = [f"object {digest[:12]} stayed" for digest in archive.store.digests() if digest not in needed]
    return faults + [f"{found.name} stayed" for name in ("partial/", "leases/", "forgetting/") for found in archive.files.listed(name)]


def damaged(folder: Path, material: Material, damage: str, chance: random.Random) -> list[str]:
    """A random file of the archive damaged: it must be found, no file may come back with other bytes, and a put must mend it."""
    with fresh(folder, material) as root:
        archive, place = Archive.existing(root), Path(root)
        needed = {entry["digest"] for manifest in archive.manifests() for entry in manifest.objects}
        paths = [path for digest in sorted(needed) for path in (place / "objects" / digest[:2]).glob(f"{digest[2:]}*")]
        path = chance.choice(paths if damage == "remove" else paths + sorted((place / "manifests").iterdir()))
        harm(path, damage, chance)
        faults = [] if list(verify(root)) else [f"{damage} of {path.name[:12]} was not found by verify"]
        for file in material.kept:
            back = place.parent / "back"
            with contextlib.suppress(GenopipeError):
                get_file(root, f"kept/{file.name}", back)
                if file_digest(back) != file_digest(file):
                    faults.append(f"{damage}: {file.name} came back with other bytes")
        put(root, material, "kept")
        return faults + lost(root, material.kept)


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
    with fresh(folder, material) as root, small_disk(Path(root), chance) as limit:
        code = in_child(lambda: limited(limit, lambda: operate("put", root, material, folder / "out")))
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
                os._exit(in_child(lambda operation=operation: operate(operation, root, material, folder / "out")))  # type: ignore[misc]
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        faults = [f"{operation} ended with {code}" for operation, code in zip(operations, codes, strict=True) if code]
        return faults + list(apart(root, lambda: listed_twice(root) + lost(root, [*material.kept, *material.new])))


def listed_twice(root: Location) -> list[str]:
    names = [(manifest.sample, manifest.name) for manifest in Archive.existing(root).manifests()]
    return [f"{name} is listed twice" for name in set(names) if names.count(name) > 1]


def can_serve() -> bool:
    """True where an S3 server is installed."""
    sys.path.insert(0, str(ROOT))
    from tests.s3_server import missing_program

    return missing_program() is None


@contextlib.contextmanager
def s3() -> Iterator[str]:
    """An S3 server with the bucket `genomes`; its address."""
    from tests.s3_server import environment, make_bucket, s3_server

    with tempfile.TemporaryDirectory(prefix="s3-") as place, s3_server(Path(place)) as address:
        make_bucket(address, "genomes")
        os.environ.update(environment(address) | {"XDG_CACHE_HOME": place})
        yield address


def failing_server(material: Material, address: str, seed: int, *, encrypt: bool) -> list[str]:
    """Put, get, collection, exchange of keys and verification against an S3 server behind a proxy that fails."""
    from tests.flaky_proxy import flaky

    root = f"s3://genomes/failing-{uuid.uuid4().hex}"

    def work() -> list[str]:
        Archive.create(root, encrypt=encrypt)
        put(root, material, "kept")
        put(root, material, "new")
        collect(Archive.existing(root), grace_hours=0)
        if encrypt:
            exchange_keys(root)
        return lost(root, [*material.kept, *material.new])

    with flaky(address, seed=seed) as proxy:
        os.environ["AWS_ENDPOINT_URL"] = proxy
        try:
            return list(apart(root, work))
        finally:
            os.environ["AWS_ENDPOINT_URL"] = address


if __name__ == "__main__":
    main()
