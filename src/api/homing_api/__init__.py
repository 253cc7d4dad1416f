"""The HTTP process: submit, wait, stream, status, query.

A command's way through the files: `routes` takes the request, `session` says who asks, `receiving`
makes a command of the body, `wrapping` an envelope of the command, `submitting` publishes it and
waits if asked to, `answering` turns what came of it into a response. Outcomes come the other way:
`hub` routes them to who waits, `sweeping` brings what no announcement brought, `streams` and
`events` write them to event streams.
"""
