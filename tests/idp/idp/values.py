"""Changing JSON on request: what the values of quirks may hold.

`null` removes a member, `{"$null": true}` sets it to null, `{"$now": N}` is the
time in N seconds, `{"$repeat": [TEXT, N]}` a long text, and names such as
$ISSUER are replaced inside texts.
"""

import time


def resolve(value, names):
    """The value with its special forms worked out."""
    if isinstance(value, str):
        if "$" in value:
            for name in sorted(names, key=len, reverse=True):
                value = value.replace(name, names[name])
        return value
    if isinstance(value, list):
        return [resolve(item, names) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$null"}:
            return None
        if set(value) == {"$now"}:
            return int(time.time()) + value["$now"]
        if set(value) == {"$repeat"}:
            text, count = value["$repeat"]
            return text * count
        return {key: resolve(item, names) for key, item in value.items()}
    return value


def merge(target, changes, names):
    """Set and remove members of `target`, in place."""
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = resolve(value, names)
    return target
