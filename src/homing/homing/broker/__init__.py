"""The broker: the only place that speaks NATS.

`connection` holds the one connection of a process, `topology` makes and checks the stream and its
consumers, `publishing` is step 4 of a command's way, `pulling` step 5, `announcing` steps 7 and 8,
`stream` reads what is stored,
`backlog` how much of it is not applied. `seam` says what of all this the processes rely on.
"""

from homing.broker.announcing import Announcer, watch_members, watch_outcomes
from homing.broker.backlog import Beyond, Tail
from homing.broker.connection import Broker, connect
from homing.broker.publishing import Publisher, Receipt
from homing.broker.pulling import Delivery, Pull
from homing.broker.seam import (
    Announcing,
    BacklogReading,
    CommandSource,
    Deliver,
    Kept,
    PartitionReading,
    Publishing,
    Pulling,
    StreamReading,
)
from homing.broker.stream import CommandStream
from homing.broker.topology import (
    StreamFacts,
    StreamPlan,
    ensure,
    last_sequence,
    read_message,
    verify,
)

__all__ = [
    "Announcer",
    "Announcing",
    "BacklogReading",
    "Beyond",
    "Broker",
    "CommandSource",
    "CommandStream",
    "Deliver",
    "Delivery",
    "Kept",
    "PartitionReading",
    "Publisher",
    "Publishing",
    "Pull",
    "Pulling",
    "Receipt",
    "StreamFacts",
    "StreamPlan",
    "StreamReading",
    "Tail",
    "connect",
    "ensure",
    "last_sequence",
    "read_message",
    "verify",
    "watch_members",
    "watch_outcomes",
]
