"""`make torture`: commands through crashes, freezes, cuts and restarts; do the books balance?

    make torture                                     60 s at 300 commands/s
    make torture DURATION=600 RATE=500 SEED=42
    make torture ARGS="--faults kill,freeze --pace 3"
    python -m torture --judge .homing/torture/7-…    judge a kept history once more

**What runs.** NATS, Postgres, two APIs and three reactors as real processes, in a folder of the
run's own and on free ports of the loopback address. All of it dies with the harness, even by `kill
-9`.

**What is sent.** Several owners send to thousands of keys, by Zipf's law. A key's next command is
sent after the answer to the one before; what is not answered is sent again with the same
`Idempotency-Key`, to whichever API, until it is. Most go in batches, some alone. One in a hundred
is sent once more after the stream's duplicate window of 1 s has passed, one in a thousand is
poison (its rules raise, or its row is refused by Postgres), and now and then three keys race for a
name.

**Who waits.** Every owner on its stream of outcomes, which it resumes; some with `Prefer: wait`,
some on the stream of a single command. Only at the end the status is asked for, of whatever was
not told, and of some that were.

**What is done to it.** A plan made of the seed: reactors and APIs are stopped, killed, frozen and
started, NATS is killed, Postgres is shut down at once, connections are terminated, leases run out
before their time, one reactor alone is cut off from NATS or from Postgres. The same seed gives the
same plan; what comes of it differs, as it does with real processes. A fault counts if commands
were in flight.

**What is true.** The clients' log alone, `history.jsonl` in the folder: what each was answered and
told, and when. `torture.model` says a second time what every command has to come to, and
`torture.checking` compares: one outcome and one effect of everything that was accepted, in its
sender's order, told to its sender and to nobody else, the same in however many ways and however
often it was asked; every name with one holder; the read model, read over HTTP, equal to the
replay. The exit code is 0 if all of that holds, 1 if it does not, 2 if nothing could be run.

**How long it took.** A partition stalls while commands of it are accepted and unanswered and none
is told, less the time in which NATS or Postgres was not there. It is measured at the clients, so
the client's own slowness is in it. The table gives the longest one of each kind of fault, and of
those that are 10 s from any other the median and the worst; with `--pace 10`, the default, most
are.

**That it can fail.** `--without fence|reset|dedupe` runs reactors from `torture.crippled`, which
take that part out of themselves; each makes the run red. `--without known` takes out the look for
known ids and the primary keys that hide a broken fence, and stays green.

The parts, from what is pure to what is not: `planning`, `model`, `books`, `checking`, `measuring`,
`report`; `history`; `answers`, `reaching`, `listening`, `clients`; `proxy`, `stage`, `faults`;
`run`.
"""
