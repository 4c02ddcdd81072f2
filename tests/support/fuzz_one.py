"""Fuzz one target in this process: ``python -m tests.support.fuzz_one TARGET [libFuzzer's options]``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports] - nox -s fuzz installs it

with atheris.instrument_imports(include=["frontpay_async"]):
    from tests.support.fuzz_targets import TARGETS

from tests.support import callbacks

# What is valid, for the fuzzer to change.
SEEDS = [
    json.dumps({"is_data": True, "message": "ok", "data": {"uuid": "ODR1", "status": "PAID"}}).encode(),
    json.dumps({"is_error": True, "message": "orderNotFound", "errors": ["The name is required."]}).encode(),
    callbacks.query(callbacks.signed()).encode(),
    callbacks.query(callbacks.TERMINAL).encode(),
    b"key;kind;customer_name;product_name;product_quantity;product_rate;product_tax\n1;invoice;Ola;Voks;1;51,00;25\n",
    b"30\n240\n17\n1760000000\nWed, 21 Oct 2026 07:28:00 GMT",
    json.dumps({"version": 1, "watches": [], "learnt": {}}).encode(),
]

if __name__ == "__main__":
    target = TARGETS[sys.argv.pop(1)]
    corpus = Path(tempfile.mkdtemp(prefix="frontpay-corpus-"))
    for number, seed in enumerate(SEEDS):
        for prefix in (b"", b"\x00\x00", b"\x03\x0b"):
            (corpus / f"{number}-{prefix.hex()}").write_bytes(prefix + seed)
    atheris.Setup([*sys.argv, str(corpus)], target)
    atheris.Fuzz()
