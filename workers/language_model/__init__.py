"""Language models behind an endpoint: for the words of explanations, and for what people ask in words."""
