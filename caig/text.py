"""How figures are written for people: one place, so that every report and page agrees.

Stored numbers are fractions; percent exists only here. An unknown figure is an en dash, never a
zero.
"""

from collections.abc import Mapping

UNKNOWN = "\N{EN DASH}"

VERDICT_WORDS = {
    "win": "win",
    "flat": "no significant difference",
    "loss": "loss",
    "insufficient": "not enough data",
    "withheld": "withheld",
}

OVERALL_WORDS = {
    "win": "Treatment wins overall",
    "loss": "Treatment loses overall",
    "flat": "No significant difference overall",
}

TALLY_WORDS = {
    "win": "win",
    "loss": "lose",
    "flat": "without significant difference",
    "insufficient": "with too little data",
    "withheld": "withheld",
}

STATUS_WORDS = {
    "ok": "",
    "zero_click": "an arm has no click",
    "too_small": "too few clicking units, or no variation between them",
    "arm_missing": "no impression in one arm",
}

CHECK_WORDS = {
    "sample_ratio": "Sample ratio",
    "sample_ratio_by_category": "Sample ratio by category",
    "sample_ratio_sequential": "Sample ratio, day by day",
    "traffic_by_day": "Split between days",
    "impressions_per_unit": "Impressions per unit",
    "units_in_two_arms": "Units in two arms",
    "missing_days": "Missing days",
    "bot_like_units": "Bot-like units",
    "duplicate_impressions": "Duplicate impressions",
    "exposure_before_assignment": "Exposure before assignment",
}

HEALTH_WORDS = {
    "healthy": "healthy",
    "unhealthy": "unhealthy",
    "not_enough_traffic": "not enough traffic",
    "not_applicable": "not applicable",
}


_STEERING = dict.fromkeys(
    (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A)), 0xFFFD
)
"""Characters that move a cursor, end a line or turn the direction, to a replacement sign."""


def lift(value: float | None) -> str:
    """A relative lift: ``+3.2 %``."""
    return UNKNOWN if value is None else f"{_signed(100 * value)} %"


def interval(lower: float | None, upper: float | None) -> str:
    """An interval of a lift: ``[+1.1, +5.4] %``; a missing upper limit is said to be unbounded."""
    if lower is None and upper is None:
        return UNKNOWN
    low = "unbounded" if lower is None else _signed(100 * lower)
    high = "unbounded" if upper is None else _signed(100 * upper)
    return f"[{low}, {high}] %"


def ctr(value: float | None) -> str:
    """A click-through rate with two significant decimals, in percent: ``2.31 %``, ``0.057 %``."""
    if value is None:
        return UNKNOWN
    percent = 100 * value
    if percent == 0:
        return "0 %"
    decimals = 2 if percent >= 0.1 else 3 if percent >= 0.01 else 4
    return f"{percent:.{decimals}f} %"


def p_value(value: float | None) -> str:
    """A p-value: ``0.012``, ``< 0.001``."""
    if value is None:
        return UNKNOWN
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def count(value: int | float | None) -> str:
    """A count with thousands separators: ``1,234,567``."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def percent(value: float | None, decimals: int = 1) -> str:
    """A share: ``49.8 %``."""
    return UNKNOWN if value is None else f"{100 * value:z.{decimals}f} %"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """``1 category``, ``44 categories``."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def tally(found: Mapping[str, int]) -> str:
    """How many rows have each verdict: ``12 win, 3 lose, 29 without significant difference``."""
    counted = ((found.get(verdict, 0), words) for verdict, words in TALLY_WORDS.items())
    return ", ".join(f"{number:,} {words}" for number, words in counted if number)


def printable(untrusted: str) -> str:
    """A name for a terminal: control, line and direction characters must not steer it."""
    return untrusted.translate(_STEERING)


def _signed(percent_value: float) -> str:
    decimals = 1 if abs(percent_value) < 1000 else 0
    text = f"{percent_value:+,.{decimals}f}"
    # A rounded zero has no direction.
    return "0.0" if float(text.replace(",", "")) == 0 else text
