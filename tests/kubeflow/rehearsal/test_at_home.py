"""What needs a cluster is replaced, told, and nothing else is touched."""

from kubeflow.rehearsal.at_home import at_home

NODE = ("python", "-m", "kubeflow.container.node", "--executor_class_path", "x")
DATAFLOW = ("--runner=DataflowRunner", "--project=p", "--temp_location=/tmp/t")


def test_a_runner_that_needs_a_cluster_becomes_workers_of_this_machine():
    command = at_home([*NODE, *DATAFLOW], {})
    assert command.words == (
        *NODE,
        "--runner=FnApiRunner",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
        "--project=p",
        "--temp_location=/tmp/t",
    )
    assert command.notes == (
        "DataflowRunner was replaced by 2 worker processes of Beam on this machine",
    )


def test_a_runner_in_two_words_is_one_too():
    assert "DataflowRunner" not in at_home([*NODE, "--runner", "DataflowRunner"], {}).words


def test_a_local_runner_stays_as_it_is():
    words = (*NODE, "--runner=FnApiRunner", "--direct_num_workers=1")
    assert at_home(words, {}).words == words
    assert at_home(words, {}).notes == ()


def test_a_custom_job_is_started_by_the_executor_itself_but_runs_here():
    custom_config = '{"ai_platform_training_args": {"project": "p"}}'
    command = at_home(NODE, {"custom_config": custom_config, "steps": 3})
    assert command.words == ("python", "-m", "custom_job", *NODE[2:])
    (note,) = command.notes
    assert "was not sent to Vertex AI" in note
