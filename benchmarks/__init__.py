"""The benchmarks of `frontpay_async`: run `python -m benchmarks`, or one subcommand of it.

Each benchmark is one module with a `main(arguments)`; `__main__` holds the table of them.
Nothing here is part of the package, and nothing reaches beyond the loopback interface.
"""
