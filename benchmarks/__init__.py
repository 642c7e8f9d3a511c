"""What the bulk path costs, measured beside the plain pipe in the same run. Not part of the product; `make bench` runs it."""
