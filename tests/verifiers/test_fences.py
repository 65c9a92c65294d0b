import pytest

from abruzzi.verifiers.fences import Block, find_blocks, python_blocks


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("no code", []),
        ("```python\nx = 1\n```", [Block("python", "x = 1")]),
        ("Code:\n```Python  \nx = 1\n```\nand\n```\n2\n```", [Block("python", "x = 1"), Block("", "2")]),
        ("Here it is: ```python\nx = 1\n```", [Block("python", "x = 1")]),
        ('```python title="a"\nx = 1\n```', [Block("python", "x = 1")]),
        ("```c++\nint x;\n```", [Block("c++", "int x;")]),
        ("```python\nreturn x```\n", [Block("python", "return x")]),
        ("```python\nx = 1", [Block("python", "x = 1")]),
        ("```python\nx = 1\n``` \nrest", [Block("python", "x = 1")]),
        ("```python\r\nx = 1\r\n```\r\n", [Block("python", "x = 1")]),
        ("1. So:\n   ```python\n   if x:\n       y\n   ```", [Block("python", "if x:\n    y")]),
        ("~~~py\nx = 1\n~~~", [Block("py", "x = 1")]),
        ("````python\ns = '''\n```\n'''\n````", [Block("python", "s = '''\n```\n'''")]),
        ("```python\na\n``````python\nb\n```", [Block("python", "a\n``````python\nb")]),
        ("Use ```x``` inline and `y`.", []),
        ("```\n```", [Block("", "")]),
        ("```python\n\n```", [Block("python", "")]),
        ("``not a fence\nx\n``", []),
    ],
)
def test_blocks_are_found_as_commonmark_has_them_and_models_write_them(text: str, blocks: list[Block]) -> None:
    assert list(find_blocks(text)) == blocks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```python\na\n```\n```\nb\n```", ["a"]),
        ("```\na\n```\n```\nb\n```", ["a", "b"]),
        ("```PYTHON\na\n```\n```py\nb\n```\n```python3\nc\n```", ["a", "b", "c"]),
        ("```bash\nls\n```\n```json\n{}\n```", []),
        ("```python\n   \n```\n```\na\n```", ["a"]),
    ],
)
def test_blocks_that_say_python_come_before_those_that_say_nothing(text: str, expected: list[str]) -> None:
    assert python_blocks(text) == expected


def test_a_reply_of_ten_megabytes_is_read_at_once() -> None:
    text = "`" * 5_000_000 + "\n" + "```\n" * 1_000_000
    assert len(list(find_blocks(text))) <= 500_001
