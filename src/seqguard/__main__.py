"""python -m seqguard."""

from seqguard.cli.main import main

main()
