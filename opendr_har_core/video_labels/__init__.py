"""A video file's labels over time, and what can be written of them: tables, a timeline picture, an annotated video."""
