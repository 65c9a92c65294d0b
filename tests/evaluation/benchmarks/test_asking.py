from abruzzi.evaluation.benchmarks.asking import ask_choice, ask_function, ask_program


def test_questions_say_what_an_answer_looks_like() -> None:
    assert ask_choice("Which? ", ["a ", "b"]) == (
        "Which?\n\n(A) a\n(B) b\n\nThe answer is the letter of the right option, and nothing else."
    )
    assert ask_program("Sum.").startswith("Sum.\n\nWrite a Python program that reads its input from standard input")
    assert "Begin with:\n```python\ndef f():\n```" in ask_function("F.", "def f():\n")
    assert "Begin with" not in ask_function("F.")
