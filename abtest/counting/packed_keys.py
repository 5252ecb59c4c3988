"""Rows as numbers of 64 bits: which bits hold what.

A key holds, from its highest bit down, a hash of the unit, the experiment, the arm, the category,
the day, and the row's impressions and clicks. In the order of such numbers the rows of a unit lie
next to each other, by arm, category and day. The first :data:`BUCKET_BITS` of the hash are not in
the key: they say which bucket it lies in.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int64]
Payload = npt.NDArray[np.uint32]

BUCKET_BITS = 8
MOST_LABEL_BITS = 18
"""Experiment, arm, category and day together: tables of sums have two to this power rows."""
MOST_PAYLOAD_BITS = 28
"""Of the key; the unit's hash has the rest and the bits of the bucket, at least 44."""


Numbers = npt.NDArray[np.integer]


class Fields(NamedTuple):
    """What a key holds beside the unit, the highest first; equally long arrays of whole numbers.

    ``n`` is impressions less one, so that rows of one impression need no bit for it.
    """

    experiment: Numbers
    arm: Numbers
    category: Numbers
    day: Numbers
    n: Numbers
    c: Numbers


@dataclass(frozen=True)
class Layout:
    """Bits of a key.

    Attributes:
        experiment: Bits of the experiment's code.
        arm: Bits of the arm's.
        category: Bits of the category's.
        day: Bits of the day, counted from ``first_day``.
        n: Bits of impressions less one.
        c: Bits of clicks.
        first_day: Days since 1970-01-01.
        last_day: The latest day.
    """

    experiment: int = 0
    arm: int = 0
    category: int = 0
    day: int = 0
    n: int = 0
    c: int = 0
    first_day: int = 0
    last_day: int = 0

    @property
    def payload(self) -> int:
        """Bits beside the unit's."""
        return self.labels + self.values

    @property
    def labels(self) -> int:
        """Bits of experiment, arm, category and day."""
        return self.experiment + self.arm + self.category + self.day

    @property
    def values(self) -> int:
        """Bits of impressions and clicks."""
        return self.n + self.c

    @property
    def fits(self) -> bool:
        """Whether enough bits are left for the unit."""
        return self.labels <= MOST_LABEL_BITS and self.payload <= MOST_PAYLOAD_BITS

    def widened(self, largest: Fields, first_day: int, last_day: int) -> "Layout":
        """A layout that also holds codes up to ``largest``, whose day is left out of account."""
        first, last = min(self.first_day, first_day), max(self.last_day, last_day)
        bits = {
            field.name: max(getattr(self, field.name), int(value).bit_length())
            for field, value in zip(fields(self), largest, strict=False)
        }
        bits["day"] = (last - first).bit_length()
        return Layout(**bits, first_day=first, last_day=last)

    def packed(self, fields: Fields) -> Payload:
        """Keys of rows, without the unit; days counted from ``first_day``.

        Args:
            fields: Of rows that fit: all of them together have 32 bits at most.
        """
        key: Payload = fields.experiment.astype(np.uint32)
        for width, value in (
            (self.arm, fields.arm),
            (self.category, fields.category),
            (self.day, fields.day),
            (self.n, fields.n),
            (self.c, fields.c),
        ):
            if width:
                key <<= np.uint32(width)
                key |= value.astype(np.uint32, copy=False)
        return key

    def unpacked(self, keys: Keys) -> Fields:
        """The fields of keys."""
        rest = keys.view(np.int64)
        found = []
        for width in (self.c, self.n, self.day, self.category, self.arm, self.experiment):
            found.append(rest & ((1 << width) - 1))
            rest = rest >> width
        return Fields(*reversed(found))

    def with_units(self, payload: Payload, units: Keys) -> Keys:
        """Keys of rows, from :meth:`packed` and hashes of their units."""
        shift = np.uint64(self.payload)
        return ((units << np.uint64(BUCKET_BITS)) >> shift << shift) | payload

    def relaid(self, keys: Keys, old: "Layout") -> Keys:
        """Keys of another, narrower layout in this one; the unit's last bits make room."""
        if old == self:
            return keys
        found = old.unpacked(keys)
        payload = self.packed(found._replace(day=found.day + (old.first_day - self.first_day)))
        shift = np.uint64(self.payload)
        return (keys >> shift << shift) | payload
