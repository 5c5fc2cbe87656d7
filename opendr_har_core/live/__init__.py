"""A page that shows, live, what a recognizer sees: served by aiohttp (extra `live`), fed by any producer of labels."""
