"""Syncmers and seed look-up, written from their definition with strings and dictionaries."""

from __future__ import annotations

K, S, MIDDLE = 20, 16, 2
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_MASK = (1 << 64) - 1


def reverse_complement(sequence: str) -> str:
    return sequence.translate(_COMPLEMENT)[::-1]


def _number(sequence: str) -> int:
    value = 0
    for letter in sequence:
        value = value * 4 + "ACGT".index(letter)
    return value


def _canonical(sequence: str) -> int:
    return min(_number(sequence), _number(reverse_complement(sequence)))


def _order(s_mer: str) -> int:
    return _canonical(s_mer) * 0x9E3779B97F4A7C15 & _MASK


def _mix(x: int) -> int:
    x ^= x >> 32
    x = x * 0xD6E8FEB86659FD93 & _MASK
    x ^= x >> 29
    x = x * 0xD6E8FEB86659FD93 & _MASK
    return x ^ (x >> 32)


def is_syncmer(k_mer: str) -> bool:
    """The middle s-mer has a hash below those of all others."""
    if set(k_mer) - set("ACGT") or k_mer == reverse_complement(k_mer):
        return False
    orders = [_order(k_mer[i : i + S]) for i in range(K - S + 1)]
    return all(orders[MIDDLE] < order for i, order in enumerate(orders) if i != MIDDLE)


def syncmers(sequence: str) -> list[tuple[int, int]]:
    """Seed (39 bits of hash, 1 of strand) and position of every syncmer."""
    found = []
    for position in range(len(sequence) - K + 1):
        k_mer = sequence[position : position + K]
        if is_syncmer(k_mer):
            strand = int(_number(reverse_complement(k_mer)) < _number(k_mer))
            found.append(((_mix(_canonical(k_mer)) >> 25) << 1 | strand, position))
    return found
