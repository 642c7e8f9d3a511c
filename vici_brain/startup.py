"""What a process of ours does once all that it needs is loaded.

Belongs here: settings of the interpreter that every entry point wants. Does not: anything that an import should do by itself.
"""

import gc


def spare_imports() -> None:
    """Takes what is loaded by now out of all garbage collections to come, and out of what the interpreter clears away at its end.

    It stays for good: 200,000 objects once Dagster is there. A full collection takes a tenth of a second for them, and the end of
    the process most of one. Done once: what is garbage at that moment stays too.
    """
    if not gc.get_freeze_count():
        gc.freeze()
