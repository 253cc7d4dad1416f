"""Homing on one machine: NATS and Postgres from wheels, and the supervisor behind `homing up`.

Nothing here is needed in a cluster. Tests start the same servers through `LocalNats` and
`LocalPostgres` that `homing up` starts.
"""
