"""The workbench: what staff use all day in a browser. Pages made on the server, that work without scripts too."""
