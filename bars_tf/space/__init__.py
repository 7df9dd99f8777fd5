"""Search spaces and genotypes: the choices that there are, and those that were made, as plain data."""
