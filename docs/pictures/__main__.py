"""Draw all pictures."""

from __future__ import annotations

from pathlib import Path

from docs.pictures import PICTURES

for name, draw in PICTURES.items():
    path = Path(__file__).parent / name
    path.write_text(draw(), encoding="utf-8")
    print(path)
