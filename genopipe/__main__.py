"""`python -m genopipe`."""

from genopipe.cli import main

main()
