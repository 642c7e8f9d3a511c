"""The peer dlt, run by its own interpreter: every call of the view, by connectorx into CSV files, upserted by its key.

Belongs here: what dlt's documentation advises for speed. Does not: anything of this project; it is not importable there.
"""

import sys

import dlt
from dlt.destinations import postgres
from dlt.sources.sql_database import sql_table


def main(source: str, target: str, view: str) -> None:
    calls = sql_table(credentials=source, table=view, backend="connectorx", reflection_level="full_with_precision")
    calls.apply_hints(
        table_name="peer_calls", primary_key="uniqueid", write_disposition={"disposition": "merge", "strategy": "upsert"}
    )
    pipeline = dlt.pipeline("peer", destination=postgres(target), dataset_name="public")
    pipeline.run(calls, loader_file_format="csv")


if __name__ == "__main__":
    main(*sys.argv[1:4])
