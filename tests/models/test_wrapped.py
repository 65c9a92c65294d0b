"""A wrapped model bears the inner one's name and limit."""

from abruzzi.models.scripted import ScriptedChat
from abruzzi.models.wrapped import WrappedChat


def test_name_and_context_are_the_inner_ones() -> None:
    wrapped = WrappedChat(ScriptedChat({}, name="inner", max_context=77))
    assert (wrapped.name, wrapped.max_context) == ("inner", 77)
    assert WrappedChat(ScriptedChat({}, max_context=None)).max_context is None
