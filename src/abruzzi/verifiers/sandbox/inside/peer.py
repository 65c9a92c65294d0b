"""One end of the line between the tests and the solution: calls over a socket, plain data back.

The tests hold ``Remote`` stand-ins for the solution's functions, classes and objects. Using one sends the operation to
the process that holds the real thing, and what comes back is plain data (``wire``) or another stand-in. So whatever
the solution does to its own process, it can only choose which data the tests see; it never runs a line beside them.

What a stand-in refuses on purpose: comparing itself with plain data, arithmetic, and being told what it is compared
with. An object whose ``__eq__`` is always true would pass every test otherwise. Two stand-ins may be compared: both
are the solution's own, and the answer tells nothing that it could not have returned.
"""

import builtins
import json
import operator
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from abruzzi.verifiers.sandbox.inside.wire import Node, WireError, decode, encode

MAX_FRAME_BYTES = 256 << 20

_HANDLES = ("mine", "theirs", "exception")


def _call(target: Any, /, *args: Any, **kwargs: Any) -> Any:
    return target(*args, **kwargs)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "get": getattr,
    "set": setattr,
    "item": operator.getitem,
    "length": len,
    "iterate": iter,
    "next": next,
    "truth": bool,
    "text": str,
    "form": repr,
    "same": operator.eq,
}
"""What a stand-in can ask of the real thing; the target comes first."""


class LineError(BaseException):
    """The other process is gone or talks nonsense; no ``except Exception`` of a test may hide it."""


class Remote:
    """Stands for an object of the other process."""

    def __init__(self, peer: "Peer", number: int) -> None:
        self.__dict__["_peer"] = peer
        self.__dict__["_number"] = number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the real thing."""
        return self._peer.request("call", self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._peer.request("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.request("set", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._peer.request("item", self, key)

    def __len__(self) -> int:
        return self._peer.request("length", self)

    def __iter__(self) -> Any:
        return self._peer.request("iterate", self)

    def __next__(self) -> Any:
        return self._peer.request("next", self)

    def __bool__(self) -> bool:
        return self._peer.request("truth", self) is True

    def __str__(self) -> str:
        return str(self._peer.request("text", self))

    def __repr__(self) -> str:
        return str(self._peer.request("form", self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return False
        return self is other or self._peer.request("same", self, other) is True

    def __hash__(self) -> int:
        return id(self)


class Peer:
    """One end of the line.

    Args:
        descriptor: a connected stream socket.
        serves: the operations that the other side may ask for.
        classes: those whose instances travel by value.
    """

    def __init__(self, descriptor: int, serves: Mapping[str, Callable[..., Any]], classes: dict[str, type]) -> None:
        self.classes = classes
        self.num_requests = 0
        self.is_broken = False
        self._descriptor = descriptor
        self._serves = serves
        self._own: list[object] = []
        self._numbers: dict[int, int] = {}
        self._remotes: dict[int, Remote] = {}
        self._exceptions: dict[str, type[Exception]] = {}

    def describe(self, value: object) -> Node:
        """Hand out one of our objects, or give back one of theirs."""
        if isinstance(value, Remote):
            return ["theirs", [value.__dict__["_number"]], []]
        if isinstance(value, type) and Exception in value.__mro__:
            return ["exception", [kind.__name__ for kind in value.__mro__], []]
        number = self._numbers.setdefault(id(value), len(self._own))
        if number == len(self._own):
            self._own.append(value)
        return ["mine", [number], []]

    def resolve(self, node: Node) -> object:
        """Find our object, or stand in for theirs."""
        tag, payload, _ = node
        if tag == "theirs":
            if payload[0] < 0:
                raise IndexError(payload[0])
            return self._own[payload[0]]
        if tag == "exception":
            return self._exception(payload)
        if tag != "mine":
            raise ValueError(tag)
        return self._remotes.setdefault(payload[0], Remote(self, payload[0]))

    def request(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Ask the other side for an operation and wait for what it gives.

        Raises:
            Exception: what the operation raised there, as the nearest standard type.
            LineError: the other side is gone.
        """
        self.num_requests += operation in OPERATIONS
        nodes, roots, objects = encode([args, kwargs], self)
        self.send(["do", operation, nodes, roots])
        while True:
            frame = self.receive()
            if frame[0] == "do":
                self.answer(frame)
                continue
            return self._conclude(frame, objects)

    def _conclude(self, frame: list[Any], objects: list[object]) -> Any:
        kind, is_unchanged, nodes, roots = frame
        unchanged: list[Node] = [["unchanged", [], []]] * len(objects) if is_unchanged else []
        (value,) = self._decode(unchanged + nodes, roots, 1, known=objects)[0]
        if kind == "gave":
            return value
        kind, *args = cast("tuple[Any, ...]", value)
        is_exception = isinstance(kind, type) and issubclass(kind, Exception)
        raise (kind if is_exception else RuntimeError)(*args)

    def _decode(
        self, nodes: Any, roots: Any, num_roots: int, known: Sequence[object] = ()
    ) -> tuple[list[Any], list[object]]:
        try:
            values, objects = decode(nodes, roots, self, known)
        except (WireError, MemoryError) as error:
            raise self._broken(str(error)) from error
        if len(values) != num_roots:
            raise self._broken("a table with the wrong number of roots")
        return values, objects

    def answer(self, frame: list[Any]) -> None:
        """Do what the other side asked, and send what came of it."""
        _, operation, nodes, roots = frame
        (args, kwargs), known = self._decode(nodes, roots, 2)
        kind = "gave"
        try:
            value = self._serves[operation](*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - whatever a solution raises, SystemExit too, is the tests' to see
            kind = "raised"
            if not isinstance(error, Exception):  # such as SystemExit, which must not end the tests
                error = RuntimeError(f"{type(error).__name__}: {error}")
            value = (type(error), *(arg for arg in error.args if isinstance(arg, str | int | float | None)))
        new_nodes, new_roots, _ = encode([value], self, known)
        pairs = zip(new_nodes, nodes, strict=False)
        is_unchanged = all(new == old or old[0] in _HANDLES for new, old in pairs)
        self.send([kind, is_unchanged, new_nodes[len(nodes) if is_unchanged else 0 :], new_roots])

    def _exception(self, names: list[Any]) -> type[Exception]:
        """Stand in for an exception type of the other side: known by its name, caught by its standard base."""
        bases = [getattr(builtins, name, None) for name in names]
        standard = [base for base in bases if isinstance(base, type) and issubclass(base, Exception)]
        base = next((base for base in standard if not issubclass(base, UnicodeError)), ValueError)
        if base is bases[0]:
            return base
        return self._exceptions.setdefault(names[0], type(names[0], (base,), {}))

    def send(self, frame: list[Any]) -> None:
        """Send one frame."""
        body = json.dumps(frame, separators=(",", ":")).encode()
        message = memoryview(struct.pack(">Q", len(body)) + body)
        try:
            while message:
                message = message[os.write(self._descriptor, message) :]
        except OSError as error:
            raise self._broken(str(error)) from error

    def receive(self) -> list[Any]:
        """Wait for the next frame.

        Raises:
            LineError: the line was closed, or what came is no frame.
        """
        try:
            (size,) = struct.unpack(">Q", self._read(8))
            if size > MAX_FRAME_BYTES:
                raise self._broken(f"a frame of {size} bytes")
            frame = json.loads(self._read(size))
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            raise self._broken(str(error)) from error
        if not isinstance(frame, list) or len(cast("list[Any]", frame)) != 4:
            raise self._broken("a frame of another shape")
        return cast("list[Any]", frame)

    def _read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size:
            piece = os.read(self._descriptor, min(size, 1 << 20))
            if not piece:
                raise OSError("the other process is gone")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def _broken(self, why: str) -> LineError:
        self.is_broken = True
        return LineError(why)
