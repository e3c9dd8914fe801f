"""`feishu-batch probe`: finds out, on test items of a live tenant, what the vendor does not document.

One file per reading, each with `observe`, which sends, and `judge`, which is pure.
"""
