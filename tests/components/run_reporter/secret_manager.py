"""The part of Secret Manager that gives a secret out, as a gRPC server for Google's own client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from functools import partial

import grpc
import pytest
from google.cloud import secretmanager
from google.cloud.secretmanager_v1.services.secret_manager_service import transports

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"


@contextmanager
def serving_secrets(secrets: Mapping[str, str], patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give out these secrets, by the full names of their versions, to the client of Google."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((_handlers(secrets),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        transport = transports.SecretManagerServiceGrpcTransport(channel=channel)
        client = partial(secretmanager.SecretManagerServiceClient, transport=transport)
        patch.setattr(secretmanager, "SecretManagerServiceClient", client)
        try:
            yield
        finally:
            server.stop(None).wait()


def _handlers(secrets: Mapping[str, str]) -> grpc.GenericRpcHandler:
    def access(request, context):
        if request.name not in secrets:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, f"no access to {request.name}")
        payload = secretmanager.SecretPayload(data=secrets[request.name].encode())
        return secretmanager.AccessSecretVersionResponse(name=request.name, payload=payload)

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "AccessSecretVersion": grpc.unary_unary_rpc_method_handler(
                access,
                request_deserializer=secretmanager.AccessSecretVersionRequest.deserialize,
                response_serializer=secretmanager.AccessSecretVersionResponse.serialize,
            )
        },
    )
