"""Every way in: the command line today, HTTP and the workbench beside it."""
