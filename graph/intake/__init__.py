"""The intake of spreadsheets: tables in, checked nodes and edges out, and the way back to a sheet."""
