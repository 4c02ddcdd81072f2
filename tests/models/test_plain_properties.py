"""Every public value survives the way through plain data, exactly."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from tests.support.values import instances, public_values


@pytest.mark.parametrize("cls", public_values())
@settings(max_examples=5)
@given(data=st.data())
def test_a_value_survives_plain_data_and_is_masked_by_default(cls: type[Any], data: st.DataObject) -> None:
    value = data.draw(instances(cls))
    for names in ("python", "wire"):
        text = json.dumps(value.to_dict(names=names, personal_data=True), allow_nan=False)
        read = cls.from_dict(json.loads(text), names=names)
        assert read == value
        # Also what equality leaves out: unknown members, and the classes of the members.
        assert members_of(read) == members_of(value)
    masked = value.to_dict()
    assert set(hidden(cls, masked)) <= {"***", None, ""}


def members_of(value: Any) -> list[tuple[object, object]]:
    members = [getattr(value, each.alias or each.name) for each in attrs.fields(type(value))]
    return [(type(member), member) for member in members]


def hidden(cls: type[Any], written: dict[str, Any]) -> list[Any]:
    """What is written of the fields that a repr masks."""
    masked = [written[each.name] for each in attrs.fields(cls) if each.repr is not True and each.init]
    return [each for one in masked for each in (one.values() if isinstance(one, dict) else [one])]
