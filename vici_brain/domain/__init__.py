"""Pure rules: no clock, no database, no Dagster; instants and rows come in as values."""
