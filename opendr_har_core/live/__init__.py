"""A web page that shows live labels: served by aiohttp (extra `live`), fed by any producer of labels."""
