"""Codes that others issue: credit codes, patent numbers, IPC, districts, industries, fields, maturity."""
