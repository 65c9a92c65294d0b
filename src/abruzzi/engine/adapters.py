"""The adapters that come with Abruzzi: LoRA adapters of the base model, one a role, trained by our own recipes.

Each is a GGUF file in this package's folder ``shipped``, with the model card beside them. A role without a file plays
on the base alone.
"""

from importlib.resources import files
from pathlib import Path

FOLDER = "shipped"


def shipped_adapter(role: str) -> Path | None:
    """Find the adapter of a role.

    Args:
        role: ``solver``, ``planner`` or ``judge``.

    Returns:
        Its file; None where none is shipped.
    """
    path = Path(str(files(__name__.rpartition(".")[0]))) / FOLDER / f"{role}.gguf"
    return path if path.is_file() else None
