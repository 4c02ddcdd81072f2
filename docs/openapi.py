"""Write docs/openapi.json from the operation table: ``python -m docs.openapi``."""

from __future__ import annotations

import json
from pathlib import Path

from frontpay_async.sandbox.openapi import describe

FILE = Path(__file__).with_name("openapi.json")


def text() -> str:
    """Return the file's content."""
    return json.dumps(describe(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
    print(f"{FILE} is written")
