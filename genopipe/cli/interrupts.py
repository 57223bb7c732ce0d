"""Signals that end the program: SIGINT, SIGTERM and SIGHUP become a KeyboardInterrupt, and that an end with the code 130.

An exception that comes between any two steps of Python can be lost: finalizers and callbacks of libraries ignore it, others catch it, and
one that comes while a lock is taken or given back can leave it taken, so that what unwinds waits for a thread that waits for the lock. So
the interrupt is told again, by a timer, until it is heard; what it turned into on its way does not matter. A second signal adds nothing to
the first, so that impatience does not disturb the unwinding; what that could not take away goes at the end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import click

from genopipe.outputs import remove_temporary

SECONDS_UNTIL_TOLD_AGAIN = 3.0
_SECONDS_AFTER_IGNORED = 0.01
_OF_ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = signal.SIGALRM


def interruptible(command: Callable[[], object]) -> None:
    """Runs a command that the signals end."""
    try:
        sys.unraisablehook = _told_again
        for stopped in _OF_ALL:
            if signal.getsignal(stopped) is not signal.SIG_IGN:  # nohup has it ignored
                signal.signal(stopped, _tell)
        command()
    except BaseException as error:
        if _is_told() or isinstance(error, KeyboardInterrupt):
            _end()
        raise
    finally:
        _be(signal.SIG_DFL)


def _tell(number: int, _: FrameType | None) -> None:
    if number != _AGAIN and _is_told():
        return
    _again_in(SECONDS_UNTIL_TOLD_AGAIN)
    raise KeyboardInterrupt


def _again_in(seconds: float) -> None:
    signal.signal(_AGAIN, _tell)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _is_told() -> bool:
    return signal.getsignal(_AGAIN) is _tell


def _told_again(ignored: sys.UnraisableHookArgs) -> None:
    """What Python says of an exception in a finalizer or callback; of an interrupt nothing, as it comes again at once."""
    if issubclass(ignored.exc_type, KeyboardInterrupt) and _is_told():
        _again_in(_SECONDS_AFTER_IGNORED)
    else:
        sys.__unraisablehook__(ignored)


def _be(handler: signal.Handlers) -> None:
    for number in (*_OF_ALL, _AGAIN):
        if signal.getsignal(number) is _tell:
            signal.signal(number, handler)


def _end() -> NoReturn:
    """Ends at once: threads may hang, and CPython ends by the signal, not with a code, once an interrupt came up through `exec`."""
    _be(signal.SIG_IGN)
    try:
        remove_temporary()
        click.echo("interrupted", err=True)
    finally:
        os._exit(130)
