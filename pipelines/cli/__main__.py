"""``python -m pipelines.cli``: the command line where no console script is installed. Nothing else belongs here."""

from pipelines.cli import main

main()
