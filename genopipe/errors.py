"""What can go wrong, told so that a tired person can act on it.

Every fault a user can cause or mend is a `GenopipeError`: what came, what was wanted, what to do, and where (file, 1-based line, or key).
Everything below the command line just raises; `genopipe.cli` is the one place that catches, prints one message and sets the exit code.
"""

from __future__ import annotations

import copyreg
from os import PathLike
from typing import Any


class GenopipeError(Exception):
    """A fault with its place and its remedy. Exit code 1.

    `came` says what was found, `wanted` what was expected instead, `do` the next step for the reader; `path`, `line` (1-based) and `key`
    say where.
    """

    exit_code = 1

    def __init__(
        self,
        came: str,
        *,
        wanted: str,
        do: str,
        path: str | PathLike[str] | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        self.came, self.wanted, self.do = came, wanted, do
        self.path, self.line, self.key = path, line, key
        super().__init__(self._message())

    def __reduce__(self) -> tuple[Any, ...]:
        """As it is, when it comes from another process."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    def _message(self) -> str:
        place = ""
        if self.path is not None:
            place = f"{self.path}:{self.line}: " if self.line is not None else f"{self.path}: "
        if self.key is not None:
            place += f"{self.key}: "
        return f"{place}{self.came}; wanted {self.wanted}. {self.do}"


class BadInput(GenopipeError):
    """A file or value that breaks its format or contradicts another one."""


class BadConfiguration(GenopipeError):
    """A case, site or profile setting that is unknown, missing or impossible."""


class BadEnvironment(GenopipeError):
    """The machine cannot do what was asked: no device, no space, no permission, a missing program."""
