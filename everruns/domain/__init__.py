"""The nouns of the product and the pure rules over them. Nothing here does input or output."""
