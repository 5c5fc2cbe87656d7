"""The recognizer node: camera topics in, activity labels out."""
