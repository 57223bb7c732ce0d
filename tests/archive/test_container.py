"""Gzip and BGZF come back around the same content, or no recipe is promised."""

from __future__ import annotations

import gzip
import random
import zlib
from pathlib import Path

import deflate
import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genopipe.archive.container import RecipeFailed, Unwrapped, container_kind, unwrap, wrap
from genopipe.archive.contents import describe_recipe, described_recipe
from genopipe.archive.workshop import Workshop
from genopipe.errors import BadInput
from genopipe.formats.bgzf import BgzfWriter
from genopipe.store import FolderStore

TEXT = "".join(random.Random(0).choices("ACGTN\n", k=300_000)).encode()


def unwrapped(path: Path) -> tuple[bytes, Unwrapped]:
    """The content, and what was found."""
    found = Unwrapped()
    return b"".join(unwrap(path, found)), found


def restored(path: Path, folder: Path) -> bool:
    """True when a recipe, taken through its manifest form, makes the same file."""
    plain, found = unwrapped(path)
    store = FolderStore(folder)
    recipes = [described_recipe(describe_recipe(recipe, store), Workshop(store, folder)) for recipe in found.recipes]
    return any(b"".join(wrap([plain[:1000], plain[1000:]], recipe)) == path.read_bytes() for recipe in recipes)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_gzip_by_zlib_is_made_again(tmp_path: Path, level: int) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(TEXT, level, mtime=5))
    assert unwrapped(tmp_path / "x.gz")[0] == TEXT
    assert restored(tmp_path / "x.gz", tmp_path) or level == 0


@pytest.mark.parametrize("level", [1, 6, 9])
def test_bgzf_by_genopipe_is_made_again(tmp_path: Path, level: int) -> None:
    with BgzfWriter(tmp_path / "x.gz", level=level) as out:
        out.write(TEXT[:100])
        out.flush()
        out.write(TEXT)
    assert container_kind(tmp_path / "x.gz") == "bgzf"
    assert restored(tmp_path / "x.gz", tmp_path)


def test_bgzf_by_htslib_is_made_again(tmp_path: Path) -> None:
    with pysam.BGZFile(str(tmp_path / "x.gz"), "w") as out:
        out.write(TEXT)
    assert restored(tmp_path / "x.gz", tmp_path)


def test_members_one_after_another_are_made_again(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(
        gzip.compress(TEXT[:5000], mtime=1) + gzip.compress(TEXT[5000:9000], mtime=2) + gzip.compress(b"", mtime=3)
    )
    assert unwrapped(tmp_path / "x.gz")[0] == TEXT[:9000]
    assert restored(tmp_path / "x.gz", tmp_path)


def test_headers_with_names_are_kept(tmp_path: Path) -> None:
    with open(tmp_path / "x.gz", "wb") as out, gzip.GzipFile("reads.fastq", "wb", 6, out, mtime=77) as packed:
        packed.write(TEXT)
    assert restored(tmp_path / "x.gz", tmp_path)


def test_a_small_file_by_libdeflate_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(deflate.gzip_compress(TEXT[:100_000], 9))
    assert restored(tmp_path / "x.gz", tmp_path)


def test_long_members_by_libdeflate_are_made_again(tmp_path: Path) -> None:
    """As fastp writes them: each of some megabytes, compressed at once."""
    text = b"".join(bytes(random.Random(i).choices(b"ACGT", k=100_000)) for i in range(12))
    (tmp_path / "x.gz").write_bytes(deflate.gzip_compress(text, 4) + deflate.gzip_compress(text[5:], 4) + deflate.gzip_compress(b"end", 4))
    found = unwrapped(tmp_path / "x.gz")[1]
    assert [recipe.encoder.level for recipe in found.recipes if recipe.encoder.library == "libdeflate"] == [4]
    assert restored(tmp_path / "x.gz", tmp_path)


def test_a_member_that_is_too_long_to_be_made_at_once_has_no_such_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genopipe.archive.container.MOST_AT_ONCE", 1 << 20)
    (tmp_path / "x.gz").write_bytes(deflate.gzip_compress(bytes(random.Random(0).choices(b"ACGT", k=1_200_000)), 1))
    assert unwrapped(tmp_path / "x.gz")[1].recipes == []


@pytest.mark.parametrize("names", [1, 2])
def test_many_members_are_made_again_where_they_share_a_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: int) -> None:
    monkeypatch.setattr("genopipe.archive.container.MOST_HEADERS", 1)
    members = [gzip.compress(TEXT[first : first + 100], mtime=first // 100 % names) for first in range(0, 5000, 100)]
    (tmp_path / "x.gz").write_bytes(b"".join(members))
    assert restored(tmp_path / "x.gz", tmp_path) == (names == 1)


def test_an_unknown_encoder_has_no_recipe(tmp_path: Path) -> None:
    """Huffman coding alone is nothing that the encoders here do."""
    stream = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_HUFFMAN_ONLY)
    (tmp_path / "x.gz").write_bytes(stream.compress(TEXT) + stream.flush())
    plain, found = unwrapped(tmp_path / "x.gz")
    assert plain == TEXT
    assert found.recipes == []


@pytest.mark.parametrize("padding", [1, 512, (1 << 20) + 1])
def test_padding_after_the_last_member_is_made_again(tmp_path: Path, padding: int) -> None:
    """As tapes leave it."""
    (tmp_path / "x.gz").write_bytes(gzip.compress(TEXT) + gzip.compress(b"more") + bytes(padding))
    assert unwrapped(tmp_path / "x.gz")[0] == TEXT + b"more"
    assert restored(tmp_path / "x.gz", tmp_path)


def test_a_recipe_for_other_content_fails(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(TEXT))
    _, found = unwrapped(tmp_path / "x.gz")
    with pytest.raises(RecipeFailed, match="bytes short"):
        list(wrap([TEXT[:-1]], found.recipes[0]))


def bgzf() -> bytes:
    """A small BGZF file."""
    blocks = [deflate_block(TEXT[:3000]), deflate_block(TEXT[3000:4000])]
    return b"".join(blocks) + bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def deflate_block(payload: bytes) -> bytes:
    from genopipe.formats.bgzf import compress_block

    return compress_block(payload)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cut.gz", gzip.compress(TEXT)[:-20000], "the gzip data ends before its end mark"),
        ("tail.gz", gzip.compress(TEXT)[:-4], "the gzip data ends before its end mark"),
        ("head.gz", b"\x1f\x8b\x08\x08name", "the gzip data ends before its end mark"),
        ("checksum.gz", gzip.compress(TEXT)[:-8] + bytes(8), "does not match its checksum"),
        ("garbage.gz", gzip.compress(TEXT) + b"more", "something that is no gzip member follows one"),
        ("broken.gz", gzip.compress(TEXT, mtime=0)[:10] + b"\xff" * 50, "the gzip data cannot be inflated"),
        ("cut.bam", bgzf()[:1000], "the file is cut short inside the block at byte"),
        ("end.bam", bgzf()[:-28], "without the end-of-file block"),
        ("checksum.bgz", bgzf()[:200] + b"\0" + bgzf()[201:], "the block at byte 0"),
        ("magic.bgz", deflate_block(b"x") + b"no block and more than that", "does not begin a BGZF block"),
    ],
)
def test_damage_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message):
        unwrapped(tmp_path / name)


@settings(max_examples=60)
@given(
    content=st.binary(max_size=200), start=st.sampled_from([b"", b"\x1f\x8b\x08", b"\x1f\x8b\x08\x04" + bytes(6) + b"\x06\x00BC\x02\x00"])
)
def test_any_bytes_are_read_or_refused(content: bytes, start: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(start + content)
    try:
        unwrapped(path)
    except BadInput as refused:
        assert "gzip" in str(refused)
