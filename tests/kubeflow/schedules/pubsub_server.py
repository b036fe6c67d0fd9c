"""A Pub/Sub subscription on this machine, over gRPC as its emulator speaks it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

SUBSCRIPTION = "projects/my-project/subscriptions/corpus"


@dataclass
class Subscription:
    waiting: dict[str, bytes] = field(default_factory=dict)
    acknowledged: list[str] = field(default_factory=list)
    deadlines: list[int] = field(default_factory=list)
    refusals: list[grpc.StatusCode] = field(default_factory=list)

    def put(self, *names: str) -> None:
        self.waiting |= {name: name.encode() for name in names}

    def pull(self, request: types.PullRequest, context) -> types.PullResponse:
        if request.subscription != SUBSCRIPTION:
            context.abort(grpc.StatusCode.NOT_FOUND, "Resource not found (resource=corpus).")
        if self.refusals:
            context.abort(self.refusals.pop(0), "as ordered")
        while not self.waiting and context.is_active():
            time.sleep(0.01)  # as the service does, until something comes or the client hangs up
        messages = [
            {"ack_id": name, "message": {"data": data, "message_id": name}}
            for name, data in list(self.waiting.items())[: request.max_messages]
        ]
        return types.PullResponse(received_messages=messages)

    def acknowledge(self, request: types.AcknowledgeRequest, context) -> empty_pb2.Empty:
        for name in request.ack_ids:
            del self.waiting[name]
            self.acknowledged.append(name)
        return empty_pb2.Empty()

    def modify(self, request: types.ModifyAckDeadlineRequest, context) -> empty_pb2.Empty:
        self.deadlines.append(request.ack_deadline_seconds)
        return empty_pb2.Empty()


@contextmanager
def serving(subscription: Subscription) -> Iterator[str]:
    """The address to which the client is pointed by PUBSUB_EMULATOR_HOST."""

    def handler(method, request):
        return grpc.unary_unary_rpc_method_handler(
            method,
            request_deserializer=request.deserialize,
            response_serializer=lambda answer: (
                answer.SerializeToString()
                if isinstance(answer, empty_pb2.Empty)
                else type(answer).serialize(answer)
            ),
        )

    methods = {
        "Pull": handler(subscription.pull, types.PullRequest),
        "Acknowledge": handler(subscription.acknowledge, types.AcknowledgeRequest),
        "ModifyAckDeadline": handler(subscription.modify, types.ModifyAckDeadlineRequest),
    }
    server = grpc.server(ThreadPoolExecutor(2))
    name = "google.pubsub.v1.Subscriber"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()
