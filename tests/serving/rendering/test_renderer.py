"""Rendering in processes of its own."""

import anyio

from abruzzi.serving.rendering.document import plain
from abruzzi.serving.rendering.renderer import Renderer


def test_it_renders_side_by_side() -> None:
    async def run() -> list[str]:
        renderer = Renderer()
        htmls: dict[int, str] = {}

        async def one(index: int) -> None:
            htmls[index] = await renderer.render(f"**{index}**")

        try:
            async with anyio.create_task_group() as group:
                for index in range(5):
                    group.start_soon(one, index)
        finally:
            await renderer.close()
        return [htmls[index] for index in range(5)]

    assert anyio.run(run) == [f"<p><strong>{index}</strong></p>\n" for index in range(5)]


def test_a_text_that_takes_too_long_is_shown_as_written() -> None:
    async def run() -> str:
        renderer = Renderer(limit_s=0.2)
        try:
            return await renderer.render("[" * 40_000)
        finally:
            await renderer.close()

    assert anyio.run(run) == plain("[" * 40_000)


def test_a_text_too_many_is_shown_as_written() -> None:
    async def run() -> str:
        renderer = Renderer(max_waiting=0)
        try:
            return await renderer.render("**x**")
        finally:
            await renderer.close()

    assert anyio.run(run) == plain("**x**")
