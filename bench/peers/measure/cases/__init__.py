"""The cases, by name, in the order in which they are told. A case is a function from the bench to its figures."""
from . import http

CASES = {**http.CASES}
