"""What torch leaves untyped, typed for the tests."""

from typing import Any


def values(tensor: Any) -> list[Any]:
    """Give a tensor's numbers, nested as its shape is."""
    return tensor.tolist()


def back_propagate(loss: Any) -> None:
    """Add the loss's gradients to those of its leaves."""
    loss.backward()
