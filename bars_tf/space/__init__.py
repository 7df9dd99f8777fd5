"""What may be chosen and what was chosen: search spaces and genotypes as plain data."""
