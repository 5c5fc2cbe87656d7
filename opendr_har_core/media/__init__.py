"""Video files, pictures, image encodings and drawing."""
