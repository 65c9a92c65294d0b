"""Abruzzi: make a small open language model reason better, and know by how much.

Importing this package loads no model, no engine and no server; see ``abruzzi --help`` for the commands.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
