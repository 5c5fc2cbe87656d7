"""Video files, pictures, image encodings and annotation."""
