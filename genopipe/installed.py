"""Where the files are that come with the package: the workflow, and the manifests of known genomes.

In a source tree they lie beside the package. An installation lists where its installer put them: below an environment, a user's home or
/usr/local; `pip install --target` lists wrongly, and puts them beside the package, in share/genopipe.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from pathlib import Path

import genopipe
from genopipe.errors import BadEnvironment


@cache
def shared_folder() -> Path:
    """The folder with `Snakefile`, `workflows` and `reference`. Raises BadEnvironment where it is missing."""
    beside = Path(genopipe.__file__).resolve().parent.parent
    for folder in (beside, beside / "share" / "genopipe", *_listed()):
        if (folder / "Snakefile").is_file() and (folder / "reference" / "GRCh38.json").is_file():
            return folder
    raise BadEnvironment("files that come with genopipe are missing", wanted="its Snakefile and reference/", do="Install genopipe again.")


def _listed() -> list[Path]:
    try:
        files = metadata.files("genopipe") or ()
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve().parent for file in files if file.name == "Snakefile"]
