"""Random integers: SplitMix64 as published, uniform, and the same however they are asked for."""

from __future__ import annotations

import numpy as np

from genopipe.simulate.draws import Draws, mix, stream_key

MASK = (1 << 64) - 1


def splitmix64(seed: int, n: int) -> list[int]:
    """The generator as Steele, Lea and Flood print it, in plain integers."""
    values = []
    for _ in range(n):
        seed = (seed + 0x9E3779B97F4A7C15) & MASK
        z = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        values.append(z ^ (z >> 31))
    return values


def test_oracle_gives_the_published_values() -> None:
    assert splitmix64(1234567, 3) == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_raw_draws_are_splitmix64() -> None:
    assert Draws(7, "a").raw(100).tolist() == splitmix64(stream_key(7, "a"), 100)


def test_compiled_mix_is_splitmix64() -> None:
    key = stream_key("kernel")
    counted = np.array([(key + i * 0x9E3779B97F4A7C15) & MASK for i in range(1, 51)], np.uint64)
    assert [int(mix(state)) for state in counted] == splitmix64(key, 50)


def test_draws_do_not_depend_on_how_many_are_taken_at_once() -> None:
    at_once, in_parts = Draws("x"), Draws("x")
    assert at_once.below(1000, 30).tolist() == [in_parts.one(0, 1000) for _ in range(30)]


def test_below_is_uniform() -> None:
    """Chi-square of 16 cells, 15 degrees of freedom: above 37.7 in one of 1,000."""
    count = np.bincount(Draws("uniform").below(16, 160_000), minlength=16)
    assert len(count) == 16
    assert ((count - 10_000) ** 2 / 10_000).sum() < 37.7


def test_shuffled_keeps_every_option() -> None:
    assert sorted(Draws("s").shuffled(list(range(50)))) == list(range(50))


def test_streams_of_different_names_differ() -> None:
    assert Draws(1, "a").raw(1) != Draws(1, "b").raw(1)
