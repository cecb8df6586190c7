"""`python -P -m curate`: the command without its script."""

from curate.cli import main

main()
