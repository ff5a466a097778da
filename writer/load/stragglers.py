"""What becomes of a checkpoint when a schema falls behind, catches up, and is loaded with the others again."""

from collections.abc import Mapping
from dataclasses import replace

from ringbuf.errors import SinkError
from ringbuf.state.checkpoint import Checkpoint, Intent, Straggler
from ringbuf.writer.load.batch import Batch


def fallen_behind(
    checkpoint: Checkpoint,
    schema: str,
    error: SinkError,
    tokens: tuple[str, ...] | None,
    records: int,
    counted: int,
    now_ns: int,
) -> Checkpoint:
    """A schema falls behind: it goes on from where the database is known to have everything.

    Args:
        error: why.
        tokens: of its inserts that were on their way in the batch of the intent; None if none were.
        records: how many of its records wait below the journal offset `counted`.
        now_ns: the time, ns since the epoch.
    """
    intent = checkpoint.intent
    own = replace(intent, tokens={schema: tokens}) if intent is not None and tokens is not None else None
    straggler = Straggler(checkpoint.offset_of(schema), own, now_ns, error.what, error.hint, records, counted)
    others = intent.without(schema) if intent is not None else None
    return replace(checkpoint, intent=others).with_straggler(schema, straggler)


def counted(checkpoint: Checkpoint, batch: Batch) -> Checkpoint:
    """The others go on: records that a batch leaves to stragglers are waiting now."""
    for name, each in checkpoint.behind.items():
        left = batch.left.get(name, 0) if each.offset < batch.end else 0
        more = replace(each, records=each.records + left, counted=max(each.counted, batch.end))
        checkpoint = checkpoint.with_straggler(name, more)
    return checkpoint


def intended(checkpoint: Checkpoint, schema: str, intent: Intent) -> Checkpoint:
    """A batch of a straggler is about to be sent."""
    return checkpoint.with_straggler(schema, replace(checkpoint.stragglers[schema], intent=intent))


def moved(checkpoint: Checkpoint, schema: str, offset: int, rows: int) -> Checkpoint:
    """The database has all records of a straggler below a journal offset, `rows` more than before."""
    now = checkpoint.stragglers[schema]
    records = 0 if offset >= now.counted else max(0, now.records - rows)
    there = replace(now, offset=offset, intent=None, records=records, counted=max(now.counted, offset))
    return checkpoint.with_straggler(schema, there)


def explained(checkpoint: Checkpoint, schema: str, error: SinkError) -> Checkpoint:
    """Another reason keeps a straggler behind."""
    return checkpoint.with_straggler(schema, replace(checkpoint.stragglers[schema], reason=error.what, hint=error.hint))


def returned(checkpoint: Checkpoint, schema: str, sent: int) -> Checkpoint:
    """A straggler has caught up: from the journal offset `until` on the others' batches have it again.

    Nothing of it may be on its way, nor may anything of the others.

    Args:
        sent: journal offset from which the next batch of the others begins.
    """
    now = checkpoint.behind.get(schema)
    if now is None or now.intent is not None or (now.offset < sent and now.records > 0):
        return checkpoint
    until = max(now.offset, sent)
    back = replace(now, offset=until, records=0, until=until)
    return tidied(replace(checkpoint, intent=None).with_straggler(schema, back))


def tidied(checkpoint: Checkpoint) -> Checkpoint:
    """Without stragglers that are no different from the others any more."""
    left: Mapping[str, Straggler] = {
        name: each
        for name, each in checkpoint.stragglers.items()
        if each.until is None or each.until > checkpoint.offset
    }
    return replace(checkpoint, stragglers=left)
