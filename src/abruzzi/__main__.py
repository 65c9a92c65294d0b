"""``python -m abruzzi``."""

from abruzzi.cli.main import run

run()
