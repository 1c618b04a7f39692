"""Run tasks over shards, in local processes or wherever an engine runs them; and the exchange, where shards meet."""

from linkwell.engine.buckets import BucketWriter, read_bucket, read_buckets
from linkwell.engine.exchange import deduplicate
from linkwell.engine.local import LocalEngine, SerialEngine
from linkwell.engine.stage import Engine, StageResult, run_listed_task, run_stage
from linkwell.engine.task import Input, Mark, Task, TaskContext, any_input, local_input, read_mark, task

__all__ = [
    "BucketWriter",
    "Engine",
    "Input",
    "LocalEngine",
    "Mark",
    "SerialEngine",
    "StageResult",
    "Task",
    "TaskContext",
    "any_input",
    "deduplicate",
    "local_input",
    "read_bucket",
    "read_buckets",
    "read_mark",
    "run_listed_task",
    "run_stage",
    "task",
]
