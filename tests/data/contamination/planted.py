"""A small benchmark, and ways to hide it, all of our own making."""

from abruzzi.data.items import Item

ITEMS = [
    Item(
        "shop",
        "Mira buys 14 pens at $1.25 each and 3 folders at $4.50 each. She pays with two notes of $20. "
        "How much change does she get back, in dollars?",
        "9",
        "math__own",
    ),
    Item(
        "parabola",
        r"Let $f(x) = \frac{1}{2}x^{2} - 3x + 7$. The line $y = k$ touches the graph of $f$ in exactly one point. "
        r"Find the value of $k$ and the point where they touch.",
        "5/2",
        "math__own",
    ),
    Item("root", r"Simplify $\sqrt{1728}$.", r"24\sqrt{3}", "math__own"),
    Item(
        "walls",
        "A mason builds a wall in 12 days, and her apprentice needs 18 days for the same wall. They work together for "
        "4 days. Then the apprentice goes home. How many more days does the mason need to finish the wall?",
        "16/3",
        "math__own",
    ),
]

RESPELT = {
    "shop": "Mira buys fourteen pens at \\$1.25 each, and three folders at \\$4.5 each. She pays with 2 notes of "
    "\\$20.\nHow much change does **she** get back, in dollars?",
    "parabola": r"Let \(f(x)=\tfrac12x^2-3x+7\). The line \( y=k \) touches the graph of \(f\) in exactly one point. "
    r"Find the value of \(k\), and the point where they touch.",
    "root": "simplify: √{1,728}".replace(":", ""),
    "walls": ITEMS[3].question.replace("12", "twelve").replace(". ", ".  "),
}

REORDERED = {
    "shop": "She pays with two notes of $20. How much change does she get back, in dollars? Mira buys 14 pens at $1.25 "
    "each and 3 folders at $4.50 each.",
    "walls": "How many more days does the mason need to finish the wall? They work together for 4 days. Then the "
    "apprentice goes home. A mason builds a wall in 12 days, and her apprentice needs 18 days for the same wall.",
}

CLEAN = [
    "Mira buys 15 pens at $1.25 each and 3 folders at $4.50 each. She pays with two notes of $20. "
    "How much change does she get back, in dollars?",
    r"Let $f(x) = \frac{1}{2}x^{2} - 5x + 7$. The line $y = k$ touches the graph of $f$ in exactly one point. "
    r"Find the value of $k$ and the point where they touch.",
    r"Simplify $\sqrt{1728} + 1$.",
    r"Simplify $\sqrt{1729}$.",
    "A mason builds a wall in 14 days, and her apprentice needs 18 days for the same wall. They work together for "
    "4 days. Then the apprentice goes home. How many more days does the mason need to finish the wall?",
    "What do masons do all day, and what does an apprentice have to learn before building a wall alone?",
]


def embed(text: str) -> str:
    """Put a question into a longer text."""
    return (
        "Thank you for yesterday. I could not solve this one, and the test is on Friday.\n\n"
        f"{text}\n\nPlease explain every step; I only have the result, and it does not agree with mine."
    )
