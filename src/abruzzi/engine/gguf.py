"""Look at a GGUF file before the engine does: is it whole, and what is in it?

llama.cpp says «Failed to init server» for a file that is cut short, and its reason goes to a log. This reads the
header, the metadata and the tensor table (not the weights), and checks that every tensor lies within the file, so
that a file truncated by one byte is one clear line.

What it deliberately does not do: it cannot see flipped bytes within the weights; only a checksum can (``weights``).
Layout and block sizes: the GGUF specification, versions 2 and 3, and ggml's table of types.
"""

import errno
import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from abruzzi.errors import WeightsError

MAGIC = b"GGUF"
VERSIONS = (2, 3)

_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING = 8
_ARRAY = 9

_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18),
}  # fmt: skip
"""Tensor type -> (weights in a block, bytes of a block)."""


@dataclass(frozen=True, slots=True)
class GgufInfo:
    """What a whole GGUF file says of itself."""

    path: Path
    architecture: str
    name: str
    """The model's own name; the file's stem where it has none."""
    context_length: int | None
    """Tokens the model was trained for; None where the file does not say (adapters)."""
    is_adapter: bool
    num_tensors: int


class _Reader:
    """A cursor over the mapped file that never reads past its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    def take(self, num_bytes: int) -> bytes:
        """Read bytes; EOFError where the file ends before."""
        end = self.at + num_bytes
        if end > len(self.data):
            raise EOFError(end)
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, form: str) -> Any:
        """Read one number of a ``struct`` form."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        """Read a string: its length, then its bytes."""
        return self.take(self.number("<Q")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        """Read a metadata value; arrays are stepped over and come back as None."""
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            self._skip_array()
            return None
        return self.number(_scalar(kind))

    def _skip_array(self) -> None:
        kind, count = self.number("<I"), self.number("<Q")
        if kind not in (_STRING, _ARRAY):
            self.take(struct.calcsize(_scalar(kind)) * count)
            return
        for _ in range(count):
            if kind == _ARRAY:
                self._skip_array()
            else:
                self.take(self.number("<Q"))


def _scalar(kind: int) -> str:
    if kind not in _SCALARS:
        raise ValueError(f"metadata of an unknown type {kind}")
    return _SCALARS[kind]


def inspect(path: Path) -> GgufInfo:
    """Check that a GGUF file is whole and tell what is in it.

    Args:
        path: the file; a model or a LoRA adapter.

    Raises:
        WeightsError: it is missing, not a GGUF file, of a version we do not know, or cut short.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise WeightsError(f"{path} is empty: fetch or copy it again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(path, data)
    except FileNotFoundError as error:
        raise WeightsError(f"no model file at {path}: check the path, or fetch the model again") from error
    except OSError as error:
        kind = "is a folder, not a model file" if error.errno == errno.EISDIR else f"cannot be read ({error.strerror})"
        raise WeightsError(f"{path} {kind}: give the path of a .gguf file") from error


def _read(path: Path, data: mmap.mmap) -> GgufInfo:
    if data[: len(MAGIC)] != MAGIC:
        raise WeightsError(f"{path} is not a GGUF file (it begins with {data[: len(MAGIC)]!r}): give a .gguf model")
    reader = _Reader(data)
    reader.take(len(MAGIC))
    try:
        version, num_tensors, num_values = reader.number("<I"), reader.number("<Q"), reader.number("<Q")
        if version not in VERSIONS:
            raise WeightsError(f"{path} is GGUF version {version}; versions 2 and 3 are understood: convert it again")
        metadata = {reader.text(): reader.value(reader.number("<I")) for _ in range(num_values)}
        needed = _needed_bytes(reader, num_tensors, int(metadata.get("general.alignment", 32)))
    except EOFError as error:
        raise WeightsError(f"{path} is cut short: it ends within its header; fetch or copy it again") from error
    except (ValueError, MemoryError, OverflowError, ZeroDivisionError) as error:
        raise WeightsError(f"{path} has a broken header ({error}): fetch or copy it again") from error
    if needed > len(data):
        raise WeightsError(
            f"{path} is cut short: {len(data):,} bytes, and its tensors need {needed:,}; fetch or copy it again"
        )
    architecture = str(metadata.get("general.architecture", ""))
    context_length = metadata.get(f"{architecture}.context_length")
    return GgufInfo(
        path=path,
        architecture=architecture,
        name=str(metadata.get("general.name") or path.stem),
        context_length=None if context_length is None else int(context_length),
        is_adapter=metadata.get("general.type") == "adapter",
        num_tensors=num_tensors,
    )


def _needed_bytes(reader: _Reader, num_tensors: int, alignment: int) -> int:
    """Read the tensor table and return the bytes that a whole file has at least."""
    ends = [0]
    for _ in range(num_tensors):
        reader.text()
        shape = [reader.number("<Q") for _ in range(reader.number("<I"))]
        kind, offset = reader.number("<I"), reader.number("<Q")
        # A type newer than this table still has its place checked, though not its length.
        block_weights, block_bytes = _BLOCKS.get(kind, (1, 0))
        ends.append(offset + prod(shape) // block_weights * block_bytes)
    start = -(-reader.at // alignment) * alignment
    return start + max(ends)
