"""Exact arithmetic on constants: rationals, square roots, π and i, with no float and no sympy.

A constant is a linear combination over the rationals of monomials π^k · √n · i^j with n squarefree. These are linearly
independent (√n by field theory, π being transcendental), so that two constants are equal exactly when their
coefficients are: equality here is an equivalence, and it can be hashed. Sums, products, powers with small exponents,
roots that come out and quotients by up to two terms stay inside; everything else raises ``NotConstantError``, and what
would take more than some 200,000 bits raises ``TooCostlyError``.
"""

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from math import gcd, isqrt

from abruzzi.errors import VerifierError

MAX_BITS = 200_000
MAX_TERMS = 64
MAX_RADICAND = 10**12
_PI = Decimal("3.1415926535897932384626433832795028841971693993751058209749445923")


class NotConstantError(ValueError):
    """The text is not a constant of the kind that this file knows."""


class TooCostlyError(VerifierError):
    """The text is a constant that would take too long or too much memory to work out."""


Monomial = tuple[int, int, int]
"""(power of π, squarefree radicand, power of i that is 0 or 1)."""
_ONE: Monomial = (0, 1, 0)


@dataclass(frozen=True, slots=True)
class Exact:
    """A constant, as its non-zero coefficients."""

    terms: tuple[tuple[Monomial, Fraction], ...]
    """Sorted by monomial, so that equal constants are equal tuples."""

    @staticmethod
    def of(value: Fraction | int) -> "Exact":
        """Make a rational constant."""
        return make_exact({_ONE: Fraction(value)})

    @property
    def rational(self) -> Fraction | None:
        """The value where it is rational, else None."""
        if not self.terms:
            return Fraction(0)
        (monomial, value), *rest = self.terms
        return value if not rest and monomial == _ONE else None

    def approximate(self) -> Decimal | None:
        """Work the value out to about 50 digits; None where it is not real."""
        with localcontext(prec=60):
            total = Decimal(0)
            for (pi, radicand, imaginary), value in self.terms:
                if imaginary:
                    return None
                total += Decimal(value.numerator) / value.denominator * _PI**pi * Decimal(radicand).sqrt()
            return total

    def __neg__(self) -> "Exact":
        return Exact(tuple((m, -c) for m, c in self.terms))

    def __add__(self, other: "Exact") -> "Exact":
        total = dict(self.terms)
        for monomial, value in other.terms:
            total[monomial] = total.get(monomial, Fraction(0)) + value
        return make_exact(total)

    def __sub__(self, other: "Exact") -> "Exact":
        return self + -other

    def __mul__(self, other: "Exact") -> "Exact":
        total: dict[Monomial, Fraction] = {}
        for (pi_a, rad_a, im_a), a in self.terms:
            for (pi_b, rad_b, im_b), b in other.terms:
                common = gcd(rad_a, rad_b)
                monomial = (pi_a + pi_b, rad_a * rad_b // common**2, (im_a + im_b) % 2)
                value = a * b * common * (-1 if im_a and im_b else 1)
                total[monomial] = total.get(monomial, Fraction(0)) + value
        return make_exact(total)

    def __truediv__(self, other: "Exact") -> "Exact":
        if not other.terms:
            raise NotConstantError("division by zero")
        if len(other.terms) == 1:
            ((pi, radicand, imaginary), value) = other.terms[0]
            inverse = 1 / (value * radicand * (-1 if imaginary else 1))
            return self * make_exact({(-pi, radicand, imaginary): inverse})
        if len(other.terms) == 2:
            first, second = (Exact((term,)) for term in other.terms)
            norm = first * first - second * second
            if len(norm.terms) == 1:
                return self * (first - second) / norm
        raise NotConstantError("quotient by a sum")

    def __pow__(self, exponent: "Exact") -> "Exact":
        power = exponent.rational
        if power is None:
            raise NotConstantError("power with an irrational exponent")
        if power.denominator > 1:
            return self.root(power.denominator) ** Exact.of(power.numerator)
        if abs(power) > 1 and abs(power) * (len(self.terms) * 8 + self._bits) > MAX_BITS:
            raise TooCostlyError(f"power with an exponent of {_size(power)} bits")
        result, base = Exact.of(1), self
        for bit in bin(abs(power.numerator))[2:]:
            result = result * result * base if bit == "1" else result * result
        return result if power >= 0 else Exact.of(1) / result

    def root(self, degree: int) -> "Exact":
        """Take the real root of a rational (for a negative one and degree 2: i times it)."""
        value = self.rational
        if value is None or not 2 <= degree <= 64:
            raise NotConstantError("root of this constant")
        if degree == 2:
            outer, inner = _square_part(abs(value.numerator) * value.denominator)
            return make_exact({(0, inner, int(value < 0)): Fraction(outer, value.denominator)})
        if value < 0 and degree % 2 == 0:
            raise NotConstantError("even root of a negative number")
        parts = [_whole_root(abs(n), degree) for n in (value.numerator, value.denominator)]
        return Exact.of(Fraction(parts[0], parts[1]) * (1 if value >= 0 else -1))

    @property
    def _bits(self) -> int:
        """Size of the largest coefficient; 0 and 1 have none, as their powers stay small."""
        return max((_size(c) - 1 for _, c in self.terms), default=0)


def _size(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def make_exact(terms: dict[Monomial, Fraction]) -> Exact:
    """Make a constant of its coefficients, zeros left out."""
    if len(terms) > MAX_TERMS or any(_size(c) > MAX_BITS for c in terms.values()):
        raise TooCostlyError("constant with too many terms or digits")
    return Exact(tuple(sorted((m, c) for m, c in terms.items() if c)))


def _square_part(n: int) -> tuple[int, int]:
    """Split n into s²·r with r squarefree, and return (s, r)."""
    if n == 0:
        return 0, 1
    root = isqrt(n)
    if root * root == n:
        return root, 1
    if n > MAX_RADICAND:
        raise NotConstantError("root of a number this large")
    outer, inner, factor = 1, 1, 2
    while factor**3 <= n:
        while n % factor**2 == 0:
            n //= factor**2
            outer *= factor
        if n % factor == 0:
            n //= factor
            inner *= factor
        factor += 1
    root = isqrt(n)
    return (outer * root, inner) if root * root == n else (outer, inner * n)


def _whole_root(n: int, degree: int) -> int:
    if n.bit_length() > 4096:
        raise NotConstantError("root of a number this large")
    root = round(n ** (1 / degree)) if n < 10**300 else 0
    for guess in (root - 1, root, root + 1):
        if guess >= 0 and guess**degree == n:
            return guess
    raise NotConstantError("root that does not come out")
