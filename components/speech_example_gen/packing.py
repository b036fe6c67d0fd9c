"""Many small rows on their way to another step as one piece of bytes.

To shuffle an element costs an engine some kilobytes, however small it is; a row of a pack costs no
more than the hundred or two hundred bytes that it is compressed to.
"""

from __future__ import annotations

import pickle
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.windowed_value import WindowedValue

# Rows that a worker holds before it hands on their packs: some megabytes of utterances.
ROWS_HELD = 10_000
FASTEST = 1  # of zlib's levels


def packed(rows: Iterable[Any]) -> bytes:
    """The rows as one piece.

    >>> list(unpacked([packed(["a", "b"]), packed([]), packed([1])]))
    ['a', 'b', 1]
    """
    return zlib.compress(pickle.dumps(list(rows), pickle.HIGHEST_PROTOCOL), FASTEST)


def unpacked(packs: Iterable[bytes]) -> Iterator[Any]:
    """Every row of the packs."""
    for pack in packs:
        yield from pickle.loads(zlib.decompress(pack))


class Pack(beam.DoFn):
    """Turns pairs of a key and a row into fewer pairs of a key and a pack of rows."""

    def start_bundle(self) -> None:
        self._rows: dict[Any, list[Any]] = defaultdict(list)
        self._held = 0

    def process(self, pair: tuple[Any, Any]) -> Iterator[tuple[Any, bytes]]:
        key, row = pair
        self._rows[key].append(row)
        self._held += 1
        if self._held == ROWS_HELD:
            yield from self._packs()
            self.start_bundle()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        yield from map(GlobalWindows.windowed_value, self._packs())

    def _packs(self) -> Iterator[tuple[Any, bytes]]:
        return ((key, packed(rows)) for key, rows in self._rows.items())
