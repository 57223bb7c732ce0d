"""genopipe in a process that tells on standard error, whenever it forks, how many threads it has then."""

from __future__ import annotations

import subprocess
import sys

_FORKING = """
import os, sys
fork = os.fork

def counting():
    print("a fork among", len(os.listdir("/proc/self/task")), file=sys.stderr)
    return fork()

os.fork = counting
from genopipe.cli import main
main()
"""


def forks_and_lines(*command: object) -> tuple[list[str], list[str]]:
    """What a command that succeeds tells of its forks, and the rest of its standard error."""
    done = subprocess.run([sys.executable, "-c", _FORKING, *map(str, command)], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    return [line for line in lines if line.startswith("a fork")], [line for line in lines if not line.startswith("a fork")]
