"""Versions of one large file share what they have in common: content is cut where its own bytes say so, and each chunk is an object.

A chunk ends where the gear hash of the last 64 bytes has its upper bits zero, so that an insertion moves no border but those beside it.
Chunks are at least a quarter and at most four times the aimed size, and packed one by one.

Source: Xia et al. 2016, FastCDC (USENIX ATC), the gear hash; its table here is the stream of SHA-256 over a counter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from genopipe.archive.workshop import Workshop
from genopipe.kernels.compiled import kernel

CHUNK_BITS = 20
_LEVEL = 12
LEAST, MOST = 1 << (CHUNK_BITS - 2), 1 << (CHUNK_BITS + 2)
_BORDER = np.uint64(((1 << CHUNK_BITS) - 1) << (64 - CHUNK_BITS))
_GEAR = np.frombuffer(b"".join(hashlib.sha256(bytes([i])).digest()[:8] for i in range(256)), "<u8").astype(np.uint64)


def keep_chunks(pieces: Iterable[bytes], shop: Workshop) -> dict[str, Any]:
    """Stores content in chunks, the same way in every profile, and gives the content part of a manifest."""
    compressor = zstandard.ZstdCompressor(level=_LEVEL)
    return {"kind": "chunks", "chunks": [shop.store.put_bytes(compressor.compress(chunk)) for chunk in cut(pieces)]}


def plain_chunks(content: dict[str, Any], shop: Workshop) -> Iterator[bytes]:
    """The content again, chunk by chunk."""
    decompressor = zstandard.ZstdDecompressor()
    for digest in content["chunks"]:
        yield decompressor.decompress(shop.store.read(digest), max_output_size=MOST)


def cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content in chunks; where it is cut depends on its bytes, not on its pieces."""
    held = b""
    for piece in pieces:
        held += piece
        while len(held) >= MOST:
            end = _border(np.frombuffer(held, np.uint8), _GEAR)
            yield held[:end]
            held = held[end:]
    while held:
        end = _border(np.frombuffer(held, np.uint8), _GEAR)
        yield held[:end]
        held = held[end:]


@kernel
def _border(byte: NDArray[np.uint8], gear: NDArray[np.uint64]) -> int:
    """Where the first chunk ends."""
    most = min(len(byte), MOST)
    value = np.uint64(0)
    for i in range(max(LEAST - 64, 0), most):
        value = (value << np.uint64(1)) + gear[byte[i]]
        if i >= LEAST and value & _BORDER == 0:
            return i + 1
    return most
