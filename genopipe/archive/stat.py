"""What an archive takes: bytes as given and as stored, by sample and in all. References are counted apart, since all samples share them."""

from __future__ import annotations

from dataclasses import dataclass

from genopipe.archive.opened import Archive


@dataclass(frozen=True, slots=True)
class SampleSize:
    """One sample: its files, their bytes as they were given, the bytes of the objects they need, and of those that only they need."""

    sample: str
    files: int
    size: int
    stored: int
    own: int


@dataclass(frozen=True, slots=True)
class ArchiveSize:
    """The whole archive.

    files, size         files, and their bytes as they were given
    referred            bytes that the objects would take if each file had its own
    stored              bytes of the objects that files need, each counted once, references left out
    references          bytes of reference genomes
    unneeded            bytes of objects that no file needs, for the next collection
    sample              by sample; files without a sample stand under ""
    """

    files: int
    size: int
    referred: int
    stored: int
    references: int
    unneeded: int
    sample: list[SampleSize]


_SAMPLES = """
WITH needed AS (
    SELECT DISTINCT m.sample, o.digest, o.size FROM counting m JOIN object o USING (file) WHERE o.role != 'reference'
), shared AS (SELECT digest, count(*) AS n FROM needed GROUP BY digest)
SELECT sample, sum(size), sum(CASE WHEN n = 1 THEN size ELSE 0 END) FROM needed JOIN shared USING (digest) GROUP BY sample
"""
_OBJECTS = "SELECT DISTINCT o.digest, o.size, o.role = 'reference' FROM object o"


def measure(archive: Archive) -> ArchiveSize:
    """Sizes, from the ledger and the list of objects."""
    archive.ledger.refresh()
    rows = archive.ledger.rows
    stored = {sample: (size, own) for sample, size, own in rows(_SAMPLES)}
    given = rows("SELECT sample, count(*), sum(size), sum(stored_size) FROM counting GROUP BY sample ORDER BY sample")
    samples = [SampleSize(sample, files, size, *stored.get(sample, (0, 0))) for sample, files, size, _ in given]
    objects = rows(_OBJECTS)
    needed = {digest for digest, _, _ in objects}
    return ArchiveSize(
        files=sum(each.files for each in samples),
        size=sum(each.size for each in samples),
        referred=sum(referred for _, _, _, referred in given),
        stored=sum(size for _, size, reference in objects if not reference),
        references=sum(size for _, size, reference in objects if reference),
        unneeded=sum(found.size for digest, found in archive.store.stored() if digest not in needed),
        sample=samples,
    )
