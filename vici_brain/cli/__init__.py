"""The command line `vici-brain`: parses, calls a flow, prints. No rules and no SQL."""
