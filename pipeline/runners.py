"""What executes a pipeline: from the config's `runner` to a Beam pipeline."""

from collections.abc import Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline.config import Runner

BEAM_RUNNERS = {"spark": "SparkRunner", "flink": "FlinkRunner", "dataflow": "DataflowRunner"}


def new_pipeline(runner: Runner, arguments: Sequence[str] = ()) -> beam.Pipeline:
    """An empty pipeline on the configured runner.

    arguments: what the command line had beside webtext's own options, for Beam to understand.
    The local runner is named FnApiRunner, since Beam's DirectRunner first tries to download another one.
    """
    if runner.name == "direct":
        return beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(list(arguments), **runner.options))
    options = PipelineOptions(list(arguments), runner=BEAM_RUNNERS[runner.name], **runner.options)
    return beam.Pipeline(options=options)
