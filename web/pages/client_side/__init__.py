"""The clients' side: their tasks, and their details as the firm holds them."""
