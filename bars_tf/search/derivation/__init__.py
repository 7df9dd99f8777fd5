"""From alphas to genotypes within a budget, as functions of arrays."""
