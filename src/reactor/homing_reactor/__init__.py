"""The reactor: holds partitions, pulls their commands, applies them in rounds, announces outcomes.

The files in the order of the flow: `main` composes; `membership` with `lease` and `share` says
which partitions are held; `held` is one of them, fed through `sequence` and `intake`; `forming`
makes rounds of what waits, `applying` runs a round's transaction around `deciding`; `lane` drives
it. `failure` judges what went wrong, `suspicion` is what that leads to.
"""
