"""A Crypt4GH file: a header that each of some keys opens, and segments of 64 kB, each encrypted and authenticated by itself.

Source: GA4GH Crypt4GH file encryption standard 1.0.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO

from genopipe.errors import BadConfiguration
from genopipe.store.files import Location, damaged
from genopipe.store.keys import SECRET

SEGMENT_BYTES = 65536
_CIPHER_BYTES = SEGMENT_BYTES + 28


class Segments(io.RawIOBase):
    """The content of a sealed file as a raw stream; what is read is decrypted and authenticated, nothing else is fetched."""

    def __init__(self, unsealed: Callable[[], tuple[BinaryIO, list[bytes]]], place: Location) -> None:
        """`unsealed` opens the file after its header and gives the packets of that; `place` is for messages."""
        self._unsealed, self._place, self._at = unsealed, place, 0
        self._begin()
        cipher = self._source.seek(0, os.SEEK_END) - self._start
        whole, rest = divmod(cipher, _CIPHER_BYTES)
        self._size = whole * SEGMENT_BYTES + max(rest - 28, 0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        first, last = self._at // SEGMENT_BYTES, (end - 1) // SEGMENT_BYTES
        cipher = self._segments(first, last + 1)
        plain = b"".join(self._opened(cipher[at : at + _CIPHER_BYTES]) for at in range(0, len(cipher), _CIPHER_BYTES))
        taken = plain[self._at - first * SEGMENT_BYTES :][: end - self._at]
        if len(taken) != end - self._at:
            raise damaged(self._place)
        buffer[: len(taken)] = taken
        self._at = end
        return len(taken)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()

    def _begin(self) -> None:
        self._source, packets = self._unsealed()
        self._start = self._source.tell()
        self._keys = _session_keys(packets, self._place)

    def _segments(self, first: int, end: int) -> bytes:
        try:
            self._source.seek(self._start + first * _CIPHER_BYTES)
            return self._source.read((end - first) * _CIPHER_BYTES)
        except FileNotFoundError:  # written anew to other keys meanwhile, with the same segments
            self._source.close()
            self._begin()
            self._source.seek(self._start + first * _CIPHER_BYTES)
            return self._source.read((end - first) * _CIPHER_BYTES)

    def _opened(self, cipher: bytes) -> bytes:
        from crypt4gh.lib import decrypt_block

        segment = bytearray(SEGMENT_BYTES)
        try:
            size = decrypt_block(segment, cipher, self._keys) if len(cipher) > _CIPHER_BYTES - SEGMENT_BYTES else 0
        except ValueError:
            raise damaged(self._place) from None
        return bytes(segment[:size])


def opened_packets(source: BinaryIO, secret: list[bytes], place: Location) -> list[bytes]:
    """What the keys open of a header, each packet once. Raises BadInput for what is no header, BadConfiguration where no key opens it."""
    from crypt4gh.header import decrypt, parse

    try:
        packets, _ = decrypt(parse(source), [(0, key, None) for key in secret])
    except ValueError:
        raise damaged(place) from None
    if not packets:
        raise _wrong_key(place)
    return list(dict.fromkeys(map(bytes, packets)))


def _session_keys(packets: list[bytes], place: Location) -> list[bytes]:
    from crypt4gh.header import parse_enc_packet, partition_packets

    try:
        return [parse_enc_packet(packet) for packet in partition_packets(packets)[0]]
    except ValueError:
        raise damaged(place) from None


def header_of(packets: list[bytes], recipients: list[bytes]) -> bytes:
    """A header that each recipient opens."""
    from crypt4gh import header

    keys = [(0, os.urandom(32), recipient) for recipient in recipients]
    sealed: bytes = header.serialize(each for packet in packets for each in header.encrypt(packet, keys))
    return sealed


def encrypt(plain: BinaryIO, target: BinaryIO, recipients: list[bytes]) -> None:
    """Encrypts to all recipients, from a key pair that is used once."""
    from crypt4gh import lib

    secret = os.urandom(32)
    lib.encrypt([(0, secret, recipient) for recipient in recipients], plain, target)


def _wrong_key(place: Location) -> BadConfiguration:
    return BadConfiguration(
        "the secret key does not open this object",
        wanted="the secret key of one of the public keys it was written to",
        do=f"Check {SECRET}.",
        path=place,
        key=SECRET,
    )
