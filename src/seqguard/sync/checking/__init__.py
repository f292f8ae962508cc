"""What is found out before the first row: whether the mapping fits both databases."""
