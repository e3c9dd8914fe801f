"""The field catalogue: what the fields of an item type are called and take, so that an intent is checked before it costs a slot.

`gate` is what intake calls. `lookup` gets and keeps what the remote system says; the rest is pure.
"""
