"""Reactors and partitions: who holds what, how rounds go, how fast a holder is replaced."""

from __future__ import annotations

from boards.panels import (
    COUNT,
    PER_SECOND,
    SECONDS,
    Board,
    Panel,
    Query,
    Section,
    latencies,
    mean,
    quantile,
    rate,
    series,
    whole,
)

REACTORS = series("homing_build_info", 'service="reactor"')

HOLDING = Section(
    title="Holding",
    panels=(
        Panel(
            title="Reactors",
            description="Reactors that are scraped. Up to the number of partitions each gets some.",
            unit=COUNT,
            kind="number",
            width=4,
            queries=(Query(f"count({REACTORS})"),),
        ),
        Panel(
            title="Partitions without a holder",
            description="Commands of these partitions wait. Above 0 for a moment at each change of "
            "reactors; for longer only if no reactor can take them.",
            unit=COUNT,
            kind="number",
            width=4,
            queries=(Query(whole("homing_partitions_unheld")),),
        ),
        Panel(
            title="Partitions held, by reactor",
            description="Even shares, which move when a reactor joins or leaves. More than all of "
            "them together for a moment: one was replaced and does not know it yet.",
            unit=COUNT,
            queries=(Query(whole("homing_partitions_held", "instance"), "{{instance}}"),),
        ),
        Panel(
            title="Without a holder",
            description="Partitions without a live holder, as the database has it.",
            unit=COUNT,
            queries=(Query(whole("homing_partitions_unheld"), "unheld"),),
        ),
        Panel(
            title="Lag, by partition",
            description="The age of the oldest unapplied command of the partitions that have one. "
            "One line far above the others: a command of that partition holds it up.",
            unit=SECONDS,
            width=12,
            queries=(Query(whole("homing_partition_lag_seconds", "partition"), "{{partition}}"),),
        ),
        Panel(
            title="Gap, by partition",
            description="Unapplied commands, by partition. One line above the others with little "
            "lag: a busy key.",
            unit=COUNT,
            width=12,
            queries=(Query(whole("homing_partition_gap_commands", "partition"), "{{partition}}"),),
        ),
    ),
)

CHANGING = Section(
    title="Changing hands",
    panels=(
        Panel(
            title="Claims",
            description="Partitions taken over per second: free ones (given up in order), and "
            "those whose holder's lease ran out (it died, froze, or was cut off).",
            unit=PER_SECOND,
            queries=(Query(rate("homing_partition_claims_total", "from"), "{{from}}"),),
        ),
        Panel(
            title="Fail-over",
            description="From the last sign of life of a holder that died to the claim of its "
            "partition: about the lease (3 s by default). Empty while no reactor dies.",
            unit=SECONDS,
            queries=latencies("homing_failover_seconds"),
        ),
        Panel(
            title="Fenced",
            description="Partitions per second that a round found to belong to another reactor; "
            "nothing of them was applied twice. Many without a change of reactors: one is frozen "
            "or cut off again and again.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_partitions_fenced_total"), "fenced"),),
        ),
        Panel(
            title="Resets",
            description="Consumers set back to the checkpoint per second, by why. Each claim makes "
            "one; many others mean lost connections to NATS or deliveries out of order.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_partition_resets_total", "reason"), "{{reason}}"),),
        ),
    ),
)

ROUNDS = Section(
    title="Rounds",
    panels=(
        Panel(
            title="Rounds",
            description="Transactions per second, by lane: merged ones over many partitions; aside "
            "go partitions that are slow or in trouble.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_round_seconds_count", "lane"), "{{lane}}"),),
        ),
        Panel(
            title="Time of a round",
            description="From fence to commit, by lane. Above 0.2 s in the merged lane, rounds are "
            "made smaller.",
            unit=SECONDS,
            exemplars=True,
            queries=latencies("homing_round_seconds", "lane"),
        ),
        Panel(
            title="Commands in a round",
            description="The mean. Many under backlog is as it should be; near 1 under backlog "
            "means that rounds fail and are halved.",
            unit=COUNT,
            queries=(Query(mean("homing_round_commands"), "mean"),),
        ),
        Panel(
            title="Rounds that failed",
            description="Rounds per second that were not committed, by verdict. Nothing is lost by "
            "one; its commands come again, in smaller rounds.",
            unit=PER_SECOND,
            queries=(Query(rate("homing_rounds_failed_total", "verdict"), "{{verdict}}"),),
        ),
        Panel(
            title="Waiting in the queue",
            description="From the stream's time of a command to its round, in the reactors: what "
            "scaling them out shortens. Compares the clocks of NATS and reactor.",
            unit=SECONDS,
            exemplars=True,
            queries=latencies("homing_step_seconds", where='step="queue"'),
        ),
        Panel(
            title="Apply, commit, announce",
            description="What one in twenty rounds exceeds, by step.",
            unit=SECONDS,
            exemplars=True,
            queries=(
                Query(
                    quantile(
                        0.95,
                        "homing_step_seconds",
                        "step",
                        where='step=~"apply|commit|announce"',
                    ),
                    "p95 {{step}}",
                ),
            ),
        ),
    ),
)

KEEPING = Section(
    title="Retention",
    panels=(
        Panel(
            title="Commands removed from the stream",
            description="Applied commands per second that were older than their retention. At a "
            "standstill while the stream grows: the log action `retention.failed` says why.",
            unit=PER_SECOND,
            width=12,
            queries=(Query(rate("homing_commands_trimmed_total"), "commands"),),
        ),
        Panel(
            title="Rows removed",
            description="Rows per second that were older than their retention, by table.",
            unit=PER_SECOND,
            width=12,
            queries=(Query(rate("homing_rows_pruned_total", "table"), "{{table}}"),),
        ),
    ),
)

BOARD = Board(
    uid="homing-reactors",
    title="Homing: reactors and partitions",
    description="Who holds which partitions, how rounds go, and what happens when a reactor dies.",
    sections=(HOLDING, CHANGING, ROUNDS, KEEPING),
)
