"""The committed results and the README's tables made from them."""
