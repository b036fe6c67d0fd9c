"""When a cron expression of five fields comes round, as both services read it.

Kubeflow Pipelines does not say when a recurring run is next, and both refuse a wrong expression
only after it was sent.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from models.errors import BadInputError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# Five years hold a 29 February; what has not come by then never comes.
DAYS_AHEAD = 5 * 366


@dataclass(frozen=True)
class Field:
    """What one field may hold."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """The values that a field's text names: numbers, names, ranges, steps, lists of these."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        span, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step)):
            raise BadInputError(f"{self.name}: {part!r} must have a step such as */15.")
        if span in ("*", "?"):
            first, last = self.first, self.last
        else:
            start, dash, end = span.partition("-")
            first = self._number(start)
            # As cron has it, 5/15 is 5-59/15.
            last = self._number(end) if dash else self.last if slash else first
        if first > last:
            raise BadInputError(f"{self.name}: {part!r} ends before it begins.")
        return range(first, last + 1, int(step) if slash else 1)

    def _number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.first + self.names.index(text.lower())
        if text.isdecimal() and self.first <= int(text) <= self.last:
            return int(text)
        names = f", or {self.names[0]} to {self.names[-1]}" if self.names else ""
        raise BadInputError(
            f"{self.name}: {text!r} must be a number from {self.first} to {self.last}{names}."
        )


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("day of week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True)
class Cron:
    """A cron expression in its time zone.

    >>> mondays = Cron.parse("0 3 * * 1", "Europe/Berlin")
    >>> now = datetime.datetime(2026, 1, 31, tzinfo=datetime.timezone.utc)
    >>> print(mondays.after(now))
    2026-02-02 03:00:00+01:00
    """

    text: str
    timezone: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str, timezone: str) -> Cron:
        """The expression, or one sentence about what is wrong with it."""
        parts = text.split()
        if len(parts) != len(FIELDS):
            raise BadInputError(
                f"The cron expression {text!r} must have five fields: minute, hour, day of month, "
                "month, day of week."
            )
        try:
            sets = [field.values(part) for field, part in zip(FIELDS, parts, strict=True)]
        except BadInputError as error:
            raise BadInputError(f"The cron expression {text!r} is wrong at its {error}") from None
        return cls(" ".join(parts), timezone, *sets)

    def after(self, moment: datetime.datetime) -> datetime.datetime | None:
        """The first time after the moment; None where there never is one."""
        return next(self.times(moment), None)

    def times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        """All times after a moment, in the expression's zone, for as long as is looked ahead."""
        zone = zoneinfo.ZoneInfo(self.timezone)
        today = after.astimezone(zone).date()
        for ahead in range(DAYS_AHEAD):
            day = today + datetime.timedelta(days=ahead)
            if not self._has(day):
                continue
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    at = datetime.datetime.combine(day, datetime.time(hour, minute), zone)
                    if at > after:
                        yield at

    def _has(self, day: datetime.date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        # Cron's old rule: a day of month and a day of week, both named, are either of them.
        _, _, dates, _, weekdays = self.text.split()
        either = dates[0] not in "*?" and weekdays[0] not in "*?"
        return by_date or by_weekday if either else by_date and by_weekday
