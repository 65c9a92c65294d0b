r"""What the public graders' converter knows of LaTeX: the text of each macro, and which macros take arguments.

Facts of pylatexenc 2.11's default settings, cut down to what occurs in answers.
"""

import unicodedata


def _names(text: str) -> list[str]:
    return text.split()


def _pairs(text: str) -> dict[str, str]:
    """Read ``name text`` entries that are separated by white space."""
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


_GREEK = _names(
    "alpha beta gamma delta zeta eta theta iota kappa mu nu xi omicron pi rho sigma tau upsilon chi psi omega"
)
SYMBOLS = {
    **{name: unicodedata.lookup(f"GREEK SMALL LETTER {name}") for name in _GREEK},
    **{name.capitalize(): unicodedata.lookup(f"GREEK CAPITAL LETTER {name}") for name in _GREEK},
    **_pairs("""
        epsilon ϵ Epsilon Ε lambda λ Lambda Λ phi ϕ Phi Φ varepsilon ε vartheta ϑ varpi ϖ varrho ϱ varsigma ς varphi φ
        varkappa ϰ in ∈ notin ∉ ni ∋ prod ∏ coprod ∐ sum ∑ setminus ∖ smallsetminus ∖ ast ∗ circ ∘ bullet ∙ propto ∝
        infty ∞ parallel ∥ nparallel ∦ wedge ∧ vee ∨ cap ∩ cup ∪ int ∫ iint ∬ iiint ∭ oint ∮ sim ∼ simeq ≃ approx ≈
        neq ≠ equiv ≡ cong ≅ le ≤ ge ≥ leq ≤ geq ≥ leqslant ⩽ geqslant ⩾ leqq ≦ geqq ≧ ll ≪ gg ≫ nless ≮ ngtr ≯
        nleq ≰ ngeq ≱ prec ≺ succ ≻ preceq ≼ succeq ≽ subset ⊂ supset ⊃ subseteq ⊆ supseteq ⊇ nsubseteq ⊈
        subsetneq ⊊ supsetneq ⊋ cdot · times × otimes ⊗ oplus ⊕ bigotimes ⊗ bigoplus ⊕ bigcup ⋃ bigcap ⋂ div ÷
        star ⋆ odot ⊙ ominus ⊖ perp ⊥ top ⊤ forall ∀ exists ∃ nexists ∄ partial ∂ nabla ∇ varnothing ∅ emptyset ∅
        aleph ℵ hbar ħ ell ℓ wp ℘ angle ∠ therefore ∴ because ∵ asymp ≍ doteq ≐ pm ± mp ∓ prime ' dag † dagger †
        ldots … dots … dotsc … dotsb … dotsm … dotsi … dotso … cdots ⋯ ddots ⋱ vdots ⋮ langle ⟨ rangle ⟩ lvert |
        rvert | vert | mid | nmid ∤ lVert ‖ rVert ‖ Vert ‖ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ lbrace { rbrace }
        uparrow ↑ downarrow ↓ rightarrow → to → leftarrow ← longrightarrow ⟶ longleftarrow ⟵ Rightarrow ⇒
        Leftarrow ⇐ Leftrightarrow ⇔ mapsto ↦ leftrightarrow ↔ square □ blacksquare ▪ diamond ♢ surd √ backslash \\
        textbackslash \\ textdegree ° textpm ± oe œ OE Œ ae æ AE Æ aa å AA Å o ø O Ø ss ß L Ł l ł i ı j ȷ
        cos cos sin sin tan tan arccos arccos arcsin arcsin arctan arctan cosh cosh sinh sinh tanh tanh ln ln log log
        arccosh arccosh arcsinh arcsinh arctanh arctanh exp exp max max min min sup sup inf inf lim lim
        ~ ~ & & $ $ { { } } % % # # _ _
    """),
    **dict.fromkeys(",;: ", " "),
    **dict(zip(["quad", "qquad", "-", "limsup", "liminf"], ["  ", "    ", "\xad", "lim sup", "lim inf"], strict=True)),
    **dict(zip(["\\", "vspace", "item"], ["\n", "\n", "\n  * "], strict=True)),
}
"""Text of the macros without arguments; one that is neither here nor below vanishes."""

ACCENTS = _pairs("""
    vec \u20d7 dot \u0307 hat \u0302 check \u030c breve \u0306 acute \u0301 grave \u0300 tilde \u0303 bar \u0305
    ddot \u0308 not \u0338 ' \u0301 ` \u0300 " \u0308 c \u0327 ^ \u0302 ~ \u0303 H \u030b k \u0328 = \u0304
    b \u0331 . \u0307 d \u0323 r \u030a u \u0306 v \u030c
""")
"""Combining character of each accent."""

KEPT = frozenset(
    _names("""
        emph textrm textit textbf textsc textsl text mathrm overline underline widehat widetilde overbrace underbrace
        overleftarrow overrightarrow underleftarrow underrightarrow
    """)
)
"""Macros that stand for their argument."""

DROPPED = frozenset(
    _names("mbox texttt textsf textmd textup label hphantom vphantom xleftarrow xrightarrow hspace vspace color item")
)
"""Macros that vanish with their arguments, or stand for themselves."""

STYLES: dict[str, tuple[int, dict[str, str]]] = {
    "mathbf": (0x1D400, {}),
    "mathit": (0x1D434, {"h": "ℎ"}),
    "mathsf": (0x1D5A0, {}),
    "mathtt": (0x1D670, {}),
    "mathbb": (0x1D538, _pairs("C ℂ H ℍ N ℕ P ℙ Q ℚ R ℝ Z ℤ")),
    "mathfrak": (0x1D504, _pairs("C ℭ H ℌ I ℑ R ℜ Z ℨ")),
    **dict.fromkeys(("mathcal", "mathscr"), (0x1D49C, _pairs("B ℬ E ℰ F ℱ H ℋ I ℐ L ℒ M ℳ R ℛ e ℯ g ℊ o ℴ"))),
}
"""Where each alphabet begins in Unicode, and the letters that stand elsewhere."""

MATRICES = frozenset(_names("array pmatrix bmatrix smallmatrix psmallmatrix bsmallmatrix"))
DISPLAYS = frozenset(
    name + star for name in _names("equation eqnarray align multline gather dmath") for star in ("", "*")
)
SPECIALS = {"&": "   ", "~": "\xa0", "``": "“", "''": "”", "---": "—", "--": "–", "!`": "¡", "?`": "¿"}

SIGNATURES = {
    **dict.fromkeys(KEPT | DROPPED | STYLES.keys() | ACCENTS.keys(), "{"),
    **_pairs("frac {{ nicefrac {{ sqrt [{ \\ *[ hspace *{ vspace *{ textcolor [{{ color [{ item ["),
    **dict.fromkeys(("xleftarrow", "xrightarrow", "hphantom", "vphantom"), "[{"),
}
"""Arguments of each macro: ``{`` one expression, ``[`` optional, ``*`` a star."""
