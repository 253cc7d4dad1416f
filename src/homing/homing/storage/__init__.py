"""The storage: the only place that speaks Postgres.

`database` holds a pool and turns the driver's errors into ours, `schema` migrates and checks,
`holding` is who holds which partition, `rounds` is the one transaction in which commands take
effect, `dead_letters` is what operators do with those that cannot,
`sight` is what operators see of it all,
`outcomes` is what the API reads of them, `reading` runs the domains' queries. `seam` says
what of it the processes rely on while commands flow.
"""

from homing.storage.checkpoint import Checkpoint
from homing.storage.database import Database, StatementFailed
from homing.storage.dead_letters import DeadLetters
from homing.storage.holding import Claimed, Holding, unheld
from homing.storage.outcomes import NIL, Bounds, Look, Outcomes, Page, Placed
from homing.storage.pruning import SKEW, Pruning, pruned
from homing.storage.reading import Reading
from homing.storage.rounds import (
    CopyRow,
    DeadLetterRow,
    EventRow,
    FenceRow,
    OutcomeRow,
    RoundFailed,
    Rounds,
    RoundTransaction,
)
from homing.storage.schema import check_schema, migrate_schema
from homing.storage.seam import HolderRecords, OutcomeReading, RoundStatements, RoundStore
from homing.storage.sight import Sight, Sights
from homing.storage.stream import (
    RecordedStream,
    adopt_stream,
    checkpoints,
    record_stream,
    recorded_stream,
    running_reactors,
)

__all__ = [
    "NIL",
    "SKEW",
    "Bounds",
    "Checkpoint",
    "Claimed",
    "CopyRow",
    "Database",
    "DeadLetterRow",
    "DeadLetters",
    "EventRow",
    "FenceRow",
    "HolderRecords",
    "Holding",
    "Look",
    "OutcomeReading",
    "OutcomeRow",
    "Outcomes",
    "Page",
    "Placed",
    "Pruning",
    "Reading",
    "RecordedStream",
    "RoundFailed",
    "RoundStatements",
    "RoundStore",
    "RoundTransaction",
    "Rounds",
    "Sight",
    "Sights",
    "StatementFailed",
    "adopt_stream",
    "check_schema",
    "checkpoints",
    "migrate_schema",
    "pruned",
    "record_stream",
    "recorded_stream",
    "running_reactors",
    "unheld",
]
