"""A Dataflow Flex Template: a job of one worker, which runs `webtext corpus` and so sends the run's own jobs."""
