"""What lives on the dialers: call logs as read, and the dialers' own tables as the graph's sources."""
