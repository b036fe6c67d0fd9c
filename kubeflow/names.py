"""Names that the compiler, the containers and the schedules agree on. Imports nothing."""

from __future__ import annotations

# Runtime parameters of every pipeline.
SPAN, DATA_DATE = "span", "data_date"
# What begins the names of those that are of a training stage.
LEARNING_RATE, STEPS = "learning_rate_", "steps_"
# The containers' flag that says in which zone a time's date is taken.
TIMEZONE_FLAG = "--timezone"
# The containers' flag that says where and as what a node is recorded in ML Metadata.
METADATA_FLAG = "--metadata"
# The containers' flag that says where the value of a variable is read: NAME=PLACE.
SECRET_FLAG = "--secret"
# Filled in by both services as 2026-01-31T02:00:00Z, but only where it is the constant input of a
# task: by Vertex AI, and by Kubeflow Pipelines from 2.17 on. (The macro [[ScheduledTime]] of the
# first KFP is filled in for no pipeline of KFP 2.)
SCHEDULED_TIME = "{{$.pipeline_job_schedule_time_utc}}"
