"""Quantities such as `100m`, `1.5Gi` or `2e3`, after Kubernetes' apimachinery (pkg/api/resource)."""

import functools
import re
from decimal import ROUND_UP, Context, Decimal

PATTERN = re.compile(
    r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
)  # the one in Kubernetes' message, which is stricter
_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([eE])([-+]?[0-9]{1,9})|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?))")
_BINARY = {f"{letter}i": 1024 ** (n + 1) for n, letter in enumerate("KMGTPE")}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_LARGEST = Decimal(2**63 - 1)  # larger amounts become this one
_SMALLEST = Decimal("1e-9")  # smaller ones are rounded up to this one
_EXACT = Context(prec=60)


@functools.lru_cache(maxsize=4096)
def amount(text: str) -> Decimal:
    """Return the amount of a quantity; raises ValueError if the text is not a quantity."""
    return _read(text)[0]


def canonical(text: str) -> str:
    """Return a quantity in canonical form: `0.5` is `500m`, `1024Mi` is `1Gi`; raises ValueError."""
    value, notation = _read(text)
    if not value:
        return "0"
    if notation == "binary" and abs(value) >= 1024 and value == int(value):
        whole, power = int(value), 0
        while whole % 1024 == 0 and power < len(_BINARY):
            whole, power = whole // 1024, power + 1
        return f"{whole}{['', *_BINARY][power]}"
    exponent = -9
    whole = int(value.scaleb(9, _EXACT))
    while whole % 1000 == 0 and exponent < 18:
        whole, exponent = whole // 1000, exponent + 3
    if notation == "exponent":
        return f"{whole}e{exponent}" if exponent else str(whole)
    return f"{whole}{_SUFFIX[exponent]}"


def _read(text: str) -> tuple[Decimal, str]:
    """Return the amount and its notation: `binary`, `decimal` or `exponent`."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise ValueError(f"not a quantity: {text!r}")
    number, letter, exponent, suffix = found.groups()
    if letter:
        value, notation = _scaled(Decimal(number), int(exponent)), "exponent"
    elif suffix in _BINARY:
        value, notation = _EXACT.multiply(Decimal(number), Decimal(_BINARY[suffix])), "binary"
    else:
        value, notation = _scaled(Decimal(number), _DECIMAL[suffix]), "decimal"
    size = min(abs(value), _LARGEST).quantize(_SMALLEST, rounding=ROUND_UP, context=_EXACT)
    return size.copy_sign(value), notation


def _scaled(number: Decimal, exponent: int) -> Decimal:
    """Return number × 10^exponent. Extreme exponents are cut, so that they cost no time and memory."""
    return number.scaleb(max(-60, min(exponent, 60)), _EXACT) if number else number
