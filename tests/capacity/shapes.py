"""A model and a machine so small that everything about them is worked out by hand."""

from abruzzi.capacity.machines import Machine
from abruzzi.capacity.shapes import ModelShape

SMALL = ModelShape(2, 8, 4, 2, 2, 16, 10, is_tied=False, has_qkv_bias=True)
"""608 parameters a layer, 80 in the head; 1,304 that a token is multiplied by, 1,384 in all; 32 bytes of cache a token;
queries 8 wide."""
TOY = Machine("toy", 1, "tensor", memory_bytes=1e5, flops=1e6, bandwidth=1e4)
"""A million operations and ten thousand bytes a second."""
