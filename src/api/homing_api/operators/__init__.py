"""What the API's internal port has for operators: `/operator/…`.

`routes` takes a request past `guarding`; `watching` looks at the database once a second while
somebody wants to see it, and tells all of them in the words of `state`; `desk` replays and discards
dead letters.
"""
