"""The web process: the page, its browser client, and the small server that serves both.

Flow: `main` builds; `app` takes a request; `pages` answers it from memory, or `proxy` streams it
through to the API by the rules of `forwarding`. `operators` is the page of the internal port.
"""
