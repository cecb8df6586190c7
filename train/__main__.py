"""`python -m train`, as `torchrun` needs it."""

from train.cli import main

main()
