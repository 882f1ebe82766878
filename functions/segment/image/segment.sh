#!/bin/sh
# The one command of this image. node becomes process 1 itself, so that ECS' SIGTERM reaches it.
# Decoding and encoding run on libuv's threads, of which there are four unless told otherwise.
cores="$(nproc)"
if [ "$cores" -lt 4 ]; then cores=4; fi
export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-$cores}"
exec node /app/segment.js "$@"
