"""Dagster's side of the pipeline: asset keys, partitions, resources, automation and the instance's home."""
