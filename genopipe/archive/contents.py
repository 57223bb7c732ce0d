"""From a manifest's content and container to the bytes of the file, in pieces.

Four kinds of content: `alignments` (a CRAM and a patch), `realigned` (a CRAM with other alignments of the same reads, and what differs),
`reads` (a view of a CRAM), `packed` (zstd, or as it was) and `chunks` (a large one, cut so that versions share).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.alignments import plain_alignments
from genopipe.archive.chunks import keep_chunks, plain_chunks
from genopipe.archive.container import Recipe, wrap
from genopipe.archive.encoders import Encoder, check_vector, vector
from genopipe.archive.fastq_views import plain_reads
from genopipe.archive.manifests import Manifest
from genopipe.archive.realigned import plain_realigned
from genopipe.archive.workshop import Workshop
from genopipe.store import Store

PIECE_BYTES = 1 << 20
CHUNKED_BYTES = 32 << 20
"""Larger content is kept in chunks."""

_WINDOW_LOG = 27
_LARGEST_WINDOW = 1 << 31
_LEVELS = {"fast": 9, "archive": 17}


def file_bytes(manifest: Manifest, shop: Workshop) -> Iterator[bytes]:
    """The file in pieces. Raises BadInput or BadEnvironment for what cannot be restored."""
    plain = _PLAIN[manifest.content["kind"]](manifest.content, shop)
    recipe = described_recipe(manifest.container, shop) if manifest.container else None
    return wrap(plain, recipe)


def pack(pieces: Iterable[bytes], shop: Workshop, *, profile: str) -> dict[str, Any]:
    """Stores content as zstd, all of it in one window, or in chunks where it is large; gives the content part of a manifest."""
    source = iter(pieces)
    head = b""
    for piece in source:
        head += piece
        if len(head) > CHUNKED_BYTES:
            return keep_chunks(chain([head], source), shop)
    window = max(10, min(_WINDOW_LOG, len(head).bit_length()))
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVELS[profile], source_size=len(head), window_log=window, enable_ldm=len(head) > PIECE_BYTES
    )
    packed = zstandard.ZstdCompressor(compression_params=parameters).compress(head)
    return {"kind": "packed", "object": shop.store.put_bytes(packed), "codec": "zstd"}


def describe_recipe(recipe: Recipe, store: Store) -> dict[str, Any]:
    """The container part of a manifest; uneven sizes of members become an object."""
    return {
        "kind": recipe.kind,
        "library": recipe.encoder.library,
        "level": recipe.encoder.level,
        "memory_level": recipe.encoder.memory_level,
        "vector": vector(recipe.encoder.library),
        "header": [header.hex() for header in recipe.header],
        "sizes": _described_sizes(recipe.size, store),
        "end_of_file": recipe.end_of_file,
        **({"corrections": store.put_file(recipe.corrections)} if recipe.corrections else {}),
        **({"padding": recipe.padding} if recipe.padding else {}),
    }


def described_recipe(container: dict[str, Any], shop: Workshop) -> Recipe:
    """The recipe again. Raises BadEnvironment when the encoder here writes other bytes than the one that was used."""
    check_vector(container["library"], container["vector"])
    encoder = Encoder(container["library"], container["level"], container["memory_level"])
    header = tuple(map(bytes.fromhex, container["header"]))
    size = _sizes(container["sizes"], shop.store)
    corrections = shop.local(container["corrections"]) if "corrections" in container else None
    return Recipe(container["kind"], encoder, header, size, container["end_of_file"], corrections, container.get("padding", 0))


def object_roles(content: dict[str, Any], container: dict[str, Any] | None) -> dict[str, str]:
    """Digest and role of every object that a manifest with these parts needs."""
    roles: dict[str, str] = {}
    pool = content.get("pool", content)
    if "cram" in pool:
        roles[pool["cram"]] = "pool"
        reference = pool["reference"] or {}
        roles |= {reference[part]: "reference" for part in ("fasta", "index", "blocks") if part in reference}
    order, rest = content.get("order", {}), content.get("rest", {})
    roles |= {order[part]: "order" for part in ("members", "listed", "rows", "steps") if order.get(part)}
    roles |= {rest["each"]: "rest"} if "each" in rest else {}
    roles |= {content["patch"]: "patch"} if "patch" in content else {}
    roles |= {content[part]: part for part in ("index", "columns") if part in content}
    roles |= {content["object"]: "packed"} if "object" in content else {}
    roles |= dict.fromkeys(content.get("chunks", ()), "chunk")
    roles |= {container["sizes"]: "sizes"} if container and isinstance(container["sizes"], str) else {}
    roles |= {container["corrections"]: "corrections"} if container and "corrections" in container else {}
    return roles


def digest_of(pieces: Iterable[bytes]) -> str:
    """SHA-256 of bytes in pieces, hex."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def _same_cram(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    return _unpacked({"object": content["cram"], "codec": "none"}, shop)


def _unpacked(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    with shop.store.open(content["object"]) as source:
        if content["codec"] == "none":
            while piece := source.read(PIECE_BYTES):
                yield piece
            return
        with zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(source) as plain:
            while piece := plain.read(PIECE_BYTES):
                yield piece


def _described_sizes(size: NDArray[np.int64], store: Store) -> list[int] | str:
    """[members, bytes of each, bytes of the last] where all but the last are alike; else the digest of the packed sizes."""
    if not len(size):
        return [0, 0, 0]
    if (size[:-1] == size[0]).all():
        return [len(size), int(size[0]), int(size[-1])]
    return store.put_bytes(zstandard.ZstdCompressor(level=19).compress(np.diff(size, prepend=0).astype("<i8").tobytes()))


def _sizes(described: list[int] | str, store: Store) -> NDArray[np.int64]:
    if isinstance(described, str):
        return np.cumsum(np.frombuffer(zstandard.ZstdDecompressor().decompress(store.read(described)), "<i8"))
    n, each, last = described
    size = np.full(n, each, np.int64)
    size[-1:] = last
    return size


_PLAIN: dict[str, Callable[[dict[str, Any], Workshop], Iterator[bytes]]] = {
    "alignments": plain_alignments,
    "realigned": plain_realigned,
    "reads": plain_reads,
    "cram": _same_cram,
    "packed": _unpacked,
    "chunks": plain_chunks,
}
