"""What lives in Brain: calls with their leads, orphans, and the work on them."""
