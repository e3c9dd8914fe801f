"""The field catalogue: names and accepted values of the fields of an item type, to check an intent before it uses a slot.

Intake calls `gate`. `lookup` fetches and caches the answers of the remote system; the other modules are pure.
"""
