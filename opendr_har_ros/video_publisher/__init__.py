"""The video publisher node: plays a file, a folder of images or a webcam as a camera topic."""
