"""A heap from which anything can be taken out behaves like a sorted list."""

from __future__ import annotations

from attrs import define
from hypothesis import given, strategies as st

from frontpay_async.watch.lazy_heap import LazyHeap


@define(eq=False)
class Item:
    name: int
    place: int = 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["push", "pop", "drop", "move"]), st.integers(0, 30), st.sampled_from([0.0, 1.0, 2.0])
    ),
    max_size=200,
)


@given(STEPS)
def test_it_behaves_like_a_sorted_list(steps: list[tuple[str, int, float]]) -> None:
    """Two heaps, and items that go from one to the other and back."""
    items = [Item(name) for name in range(31)]
    heaps = (LazyHeap[Item](), LazyHeap[Item]())
    models: tuple[list[tuple[float, int, Item]], ...] = ([], [])
    for moment, (step, name, key) in enumerate(steps):
        item, here = items[name], moment % 2
        at = next((which for which in (0, 1) if any(entry[2] is item for entry in models[which])), None)
        if step == "pop" and models[here]:
            least = min(models[here], key=lambda entry: entry[:2])
            assert heaps[here].pop() is least[2]
            models[here].remove(least)
        elif step in {"drop", "move"} and at is not None:
            heaps[at].drop(item)
            models[at][:] = [entry for entry in models[at] if entry[2] is not item]
            if step == "move":
                heaps[1 - at].push(item, key)
                models[1 - at].append((key, moment, item))
        elif step == "push" and at is None:
            heaps[here].push(item, key)
            models[here].append((key, moment, item))
        for heap, model in zip(heaps, models, strict=True):
            assert len(heap) == len(model)
            first = min(model, key=lambda entry: entry[:2], default=None)
            assert heap.first() == (None if first is None else (first[0], first[2]))
            assert len(heap._heap) <= max(40, 3 * len(model))
