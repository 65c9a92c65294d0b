"""Plain data as JSON, keeping types, sharing and cycles, so that two processes can work on "the same" arguments.

Values travel as a table: one node per container, its children either atoms in place or ``[index]`` of another node.
Nesting costs no recursion, and a linked list that bites its tail is just a reference. Only plain data is ever rebuilt:
numbers, text, the standard containers, and instances of classes that *both* sides hold, attribute by attribute. Any
other object stays where it is and travels as a handle. Nothing that arrives is executed: unlike with pickle, a hostile
sender chooses the data and no more.

``known`` is how arguments changed in place come home: whoever was called encodes its reply with the decoded arguments
as the first nodes, and the caller decodes it into its own originals.
"""

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

Node = list[Any]
"""[tag, payload, children]: JSON values that describe it, and a reference or atom per child."""

_ATOMS = frozenset({type(None), bool, float, str})
_MAX_INLINE_INT = 1 << 62
_FACTORIES: dict[str, Callable[[], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "set": set,
    "dict": dict,
}


class WireError(Exception):
    """What arrived is not a table that ``encode`` could have written."""


class Handles(Protocol):
    """Who gives out and resolves handles: one end of a connection."""

    @property
    def classes(self) -> dict[str, type]:
        """Classes whose instances travel by value."""
        ...

    def describe(self, value: object) -> Node:
        """Write a node for an object that is no plain data."""
        ...

    def resolve(self, node: Node) -> object:
        """Give the object that such a node stands for."""
        ...


def _nothing(_: Any) -> list[Any]:
    return []


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A type without children."""

    tag: str
    payload: Callable[[Any], list[Any]]
    build: Callable[..., Any]
    """Takes the payload."""


@dataclass(frozen=True, slots=True)
class _Frozen:
    """An immutable container: built from its children."""

    tag: str
    build: Callable[[list[Any]], Any]


@dataclass(frozen=True, slots=True)
class _Mutable:
    """A container made empty first and filled later, so that it may hold itself."""

    tag: str
    children: Callable[[Any], list[Any]]
    shell: Callable[..., Any]
    """Takes the payload."""
    fill: Callable[[Any, list[Any]], None]
    """Replaces the whole contents."""
    payload: Callable[[Any], list[Any]] = _nothing


def _type(value: object) -> type:
    return type(value)


def _flatten(value: Any) -> list[Any]:
    return [part for pair in value.items() for part in pair]


def _fill_list(target: Any, items: list[Any]) -> None:
    target[:] = items


def _fill_set(target: Any, items: list[Any]) -> None:
    target.clear()
    target.update(items)


def _fill_deque(target: Any, items: list[Any]) -> None:
    target.clear()
    target.extend(items)


def _fill_dict(target: Any, items: list[Any]) -> None:
    target.clear()
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[key] = value


def _fill_instance(target: Any, items: list[Any]) -> None:
    target.__dict__.clear()
    for name, value in zip(items[::2], items[1::2], strict=True):
        setattr(target, name, value)


def _new_default(factory: str) -> dict[Any, Any]:
    return defaultdict[Any, Any](_FACTORIES.get(factory))


def _new_deque(max_length: int | None) -> Any:
    return deque[Any](maxlen=max_length)


def _from_hex(text: str) -> int:
    return int(text, 16)


def _new_fraction(numerator: str, denominator: str) -> Fraction:
    return Fraction(int(numerator, 16), int(denominator, 16))


def _factory(value: Any) -> list[Any]:
    name = getattr(value.default_factory, "__name__", "")
    return [name if _FACTORIES.get(name) is value.default_factory else ""]


_LEAVES: dict[type, _Leaf] = {
    int: _Leaf("int", lambda v: [hex(v)], _from_hex),
    float: _Leaf("float", lambda v: [float(v)], float),
    str: _Leaf("str", lambda v: [str.__str__(v)], str),
    bytes: _Leaf("bytes", lambda v: [v.hex()], bytes.fromhex),
    complex: _Leaf("complex", lambda v: [v.real, v.imag], complex),
    range: _Leaf("range", lambda v: [v.start, v.stop, v.step], range),
    Decimal: _Leaf("decimal", lambda v: [str(v)], Decimal),
    Fraction: _Leaf("fraction", lambda v: [hex(v.numerator), hex(v.denominator)], _new_fraction),
    date: _Leaf("date", lambda v: [v.isoformat()], date.fromisoformat),
    datetime: _Leaf("datetime", lambda v: [v.isoformat()], datetime.fromisoformat),
    timedelta: _Leaf("timedelta", lambda v: [v.days, v.seconds, v.microseconds], timedelta),
}
_FROZEN: dict[type, _Frozen] = {tuple: _Frozen("tuple", tuple), frozenset: _Frozen("frozenset", frozenset)}
_MUTABLES: dict[type, _Mutable] = {
    list: _Mutable("list", list, list, _fill_list),
    set: _Mutable("set", list, set, _fill_set),
    dict: _Mutable("dict", _flatten, dict, _fill_dict),
    OrderedDict: _Mutable("ordered", _flatten, OrderedDict, _fill_dict),
    Counter: _Mutable("counter", _flatten, Counter, _fill_dict),
    defaultdict: _Mutable("default", _flatten, _new_default, _fill_dict, _factory),
    deque: _Mutable("deque", list, _new_deque, _fill_deque, lambda v: [v.maxlen]),
    bytearray: _Mutable("bytearray", list, bytearray, _fill_list),
}
_KINDS: dict[type, _Leaf | _Frozen | _Mutable] = {**_LEAVES, **_FROZEN, **_MUTABLES}
_BY_TAG = {kind.tag: (base, kind) for base, kind in _KINDS.items()}


def encode(
    roots: Sequence[object], handles: Handles, known: Sequence[object] = ()
) -> tuple[list[Node], list[Any], list[object]]:
    """Turn values into a table.

    Args:
        roots: the values.
        handles: names what is no plain data.
        known: objects that the other side holds already, in its order; they become the first nodes.

    Returns:
        The nodes, one reference or atom per root, and the object behind each node.
    """
    objects: list[object] = list(known)
    index = {id(value): number for number, value in enumerate(objects)}

    def refer(value: object) -> Any:
        if type(value) in _ATOMS or (type(value) is int and -_MAX_INLINE_INT < value < _MAX_INLINE_INT):
            return value
        number = index.get(id(value))
        if number is None:
            number = index[id(value)] = len(objects)
            objects.append(value)
        return [number]

    references = [refer(root) for root in roots]
    nodes = [_node(value, refer, handles) for value in objects]  # children join ``objects`` behind their parents
    return nodes, references, objects


def _node(value: Any, refer: Callable[[Any], Any], handles: Handles) -> Node:
    kind = _type(value)
    if kind.__name__ in handles.classes and hasattr(value, "__dict__"):
        return ["instance", [kind.__name__], [refer(part) for part in _flatten(value.__dict__)]]
    if kind.__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return _node_of_kind(value.item(), refer, handles)  # a NumPy scalar stands for its number
    return _node_of_kind(value, refer, handles)


def _node_of_kind(value: Any, refer: Callable[[Any], Any], handles: Handles) -> Node:
    """Write an instance of a standard type, or of a class built on one, as that type."""
    if isinstance(value, bool):
        return ["bool", [value], []]
    for base in type(value).__mro__:
        kind = _KINDS.get(base)
        if isinstance(kind, _Leaf):
            return [kind.tag, kind.payload(value), []]
        if isinstance(kind, _Frozen):
            return [kind.tag, [], [refer(child) for child in value]]
        if isinstance(kind, _Mutable):
            return [kind.tag, kind.payload(value), [refer(child) for child in kind.children(value)]]
    return handles.describe(value)


def decode(
    nodes: list[Node], references: list[Any], handles: Handles, known: Sequence[object] = ()
) -> tuple[list[Any], list[object]]:
    """Rebuild what ``encode`` wrote.

    Args:
        nodes: the table.
        references: one per root.
        handles: resolves what is no plain data.
        known: our originals of the first nodes; the mutable ones are brought to the state that the table tells.

    Returns:
        The roots, and the object behind each node.

    Raises:
        WireError: the table is malformed.
    """
    try:
        return _Decoder(nodes, handles, known).run(references)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        message = f"malformed table: {type(error).__name__}: {error}"
        raise WireError(message) from error


class _Decoder:
    """Three sweeps: empty mutable shells; immutable values, children first; the contents of the shells."""

    def __init__(self, nodes: list[Node], handles: Handles, known: Sequence[object]) -> None:
        self.nodes = nodes
        self.handles = handles
        self.num_known = len(known)
        self.objects: list[Any] = list(known)
        self.is_built = [True] * self.num_known
        for tag, payload, _ in nodes[self.num_known :]:
            is_mutable = tag == "instance" or isinstance(_BY_TAG.get(tag, (None, None))[1], _Mutable)
            self.objects.append(self._shell(tag, payload) if is_mutable else None)
            self.is_built.append(is_mutable)

    def run(self, references: list[Any]) -> tuple[list[Any], list[object]]:
        for number in range(self.num_known, len(self.nodes)):
            self._build(number)
        for number, (tag, payload, children) in enumerate(self.nodes):
            base, kind = (self._class(payload), None) if tag == "instance" else _BY_TAG.get(tag, (object, None))
            if tag != "instance" and not isinstance(kind, _Mutable):
                continue
            if not isinstance(self.objects[number], base):
                raise TypeError(f"a {type(self.objects[number]).__name__} came back as {tag}")
            fill = kind.fill if isinstance(kind, _Mutable) else _fill_instance
            fill(self.objects[number], [self._value(child) for child in children])
        return [self._value(reference) for reference in references], self.objects

    def _class(self, payload: list[Any]) -> type:
        return self.handles.classes[payload[0]]

    def _shell(self, tag: str, payload: list[Any]) -> Any:
        if tag == "instance":
            owner: Any = self._class(payload)
            return owner.__new__(owner)
        kind = _BY_TAG[tag][1]
        return kind.shell(*payload) if isinstance(kind, _Mutable) else None

    def _number(self, reference: list[Any]) -> int:
        (number,) = reference
        if not 0 <= number < len(self.objects):
            raise IndexError(number)
        return number

    def _value(self, reference: Any) -> Any:
        return self.objects[self._number(reference)] if isinstance(reference, list) else reference  # pyright: ignore[reportUnknownArgumentType] - JSON

    def _build(self, number: int) -> None:
        """Build an immutable value after its children, without recursion: a hostile chain may be long."""
        pending = [number]
        while pending:
            tag, payload, children = self.nodes[pending[-1]]
            if not self.is_built[pending[-1]]:
                numbers = [self._number(child) for child in children if isinstance(child, list)]  # pyright: ignore[reportUnknownArgumentType] - JSON
                waiting = [child for child in numbers if not self.is_built[child]]
                if waiting:
                    if len(pending) > len(self.nodes):
                        raise ValueError("immutable values that hold each other")
                    pending.append(waiting[0])
                    continue
                self.objects[pending[-1]] = self._immutable(tag, payload, children)
                self.is_built[pending[-1]] = True
            pending.pop()

    def _immutable(self, tag: str, payload: list[Any], children: list[Any]) -> Any:
        kind = _BY_TAG.get(tag, (None, None))[1]
        if isinstance(kind, _Leaf):
            return kind.build(*payload)
        if isinstance(kind, _Frozen):
            return kind.build([self._value(child) for child in children])
        return bool(payload[0]) if tag == "bool" else self.handles.resolve([tag, payload, children])
