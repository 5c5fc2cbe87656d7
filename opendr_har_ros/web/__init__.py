"""The web node: serves a page that shows what a recognizer publishes."""
