"""The whole story on a small web that the demo draws and serves itself, or on your own archive."""
