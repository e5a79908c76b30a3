"""What the nets for images need: their loss, their optimizer, their reports."""
