"""Numbers as a person writes them: `12,345`, `0.03906`, `0.0002`; not `1.234e+04`, `5e-05`."""

import decimal
import math

SMALLEST = 1e-6  # smaller numbers have an exponent


def readable(value: float, digits: int | None = 4) -> str:
    """A number with commas between thousands and `digits` significant digits; None: all of them.

    Whole numbers, and digits before the decimal point, are not rounded away.
    """
    if not math.isfinite(value):
        return str(float(value))
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if not SMALLEST <= abs(value) < 1e15:
        exact = decimal.Decimal(repr(float(value)))
        text = f"{exact:e}" if digits is None else f"{value:.{digits - 1}e}"
        mantissa, power = text.split("e")
        return f"{_short(mantissa)}e{int(power)}"
    if digits is None:
        return _short(f"{decimal.Decimal(repr(float(value))):,f}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    return _short(f"{value:,.{decimals}f}")


def _short(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 layer`, `2 layers`, `1,000 layers`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
