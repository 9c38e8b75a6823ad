#!/bin/sh
# A function built on the real lambda_runtime crate: the test binary itself, running one of its tests.
exec "$TEST_BINARY" --exact lambda_runtime_function --ignored --nocapture
