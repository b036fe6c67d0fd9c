#!/bin/sh
# Beam starts its workers with the flags of its own launcher; everything else is a w2v command.
case "$1" in
    --id=* | --worker_pool* | --*_endpoint=* | --semi_persist_dir=*)
        exec /opt/apache/beam/boot "$@"
        ;;
    *)
        exec python -m pipeline.cli "$@"
        ;;
esac
