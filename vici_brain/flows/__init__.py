"""Use cases, one a file: stores in, one function, one frozen result out. Dagster, command line and tests call the same."""
