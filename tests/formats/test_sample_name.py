"""Sample names become parts of file names and of SAM headers; only safe ones are taken."""

from __future__ import annotations

import pytest

from genopipe.errors import BadConfiguration
from genopipe.formats.sample_name import check_sample_name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", ".a", "-a", "ä", "a\n", "a" * 65])
def test_sample_names_of_other_letters_are_refused(name: str) -> None:
    with pytest.raises(BadConfiguration, match="is not allowed; wanted letters, digits"):
        check_sample_name(name)


@pytest.mark.parametrize("name", ["S1", "NICU-0001", "a.b_c-1", "7"])
def test_sample_names_of_good_letters_are_accepted(name: str) -> None:
    check_sample_name(name)
