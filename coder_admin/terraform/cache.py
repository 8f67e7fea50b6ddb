"""A bounded cache shared by threads: least recently used out first, bounded by cost."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key, up to a total cost.

    Two threads that miss the same key at once may both make the value; the first one stored is what both get,
    so that nobody waits for another's work under a lock.
    """

    def __init__(self, max_cost: int) -> None:
        self._max_cost = max_cost
        self._cost = 0
        self._lock = threading.Lock()
        self._items: OrderedDict[K, tuple[V, int]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value, now the most recently used; None when there is none."""
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            self._items.move_to_end(key)
            return found[0]

    def get_or_make(self, key: K, make: Callable[[], V], cost: Callable[[V], int]) -> V:
        """The value of the key, made by `make` when it is not there."""
        found = self.get(key)
        if found is not None:
            return found
        made = make()
        price = max(1, cost(made))
        with self._lock:
            present = self._items.get(key)
            if present is not None:
                return present[0]
            if price <= self._max_cost:
                self._items[key] = (made, price)
                self._cost += price
                while self._cost > self._max_cost:
                    _, (_, freed) = self._items.popitem(last=False)
                    self._cost -= freed
        return made

    def __len__(self) -> int:
        return len(self._items)

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self._cost = 0
