"""The reactor: holds partitions, pulls their commands, applies them in rounds, announces outcomes.

The files in the order of the flow: `main` composes; `membership` with `lease` and `share` says
which partitions are held; `held` is one of them, fed through `sequence` and `intake`; `forming`
makes rounds of what waits, `applying` runs a round's transaction around `deciding`, which happens
in a thread of `thinking`; `lanes` are one merged `lane` and two aside, each driving its rounds
through the `gate`. `failure` judges what went wrong, `blaming` makes `suspicion` of it, `pace` and
`peril` say what past rounds and past holders tell about the next.
"""
