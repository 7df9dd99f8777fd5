"""Operations, bytes and memory of networks, exact and expected, and the budgets that limit them."""
