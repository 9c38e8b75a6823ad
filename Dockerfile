# syntax=docker/dockerfile:1

# The command line, and with it `nearline worker`, on nothing: one static executable and the roots of trust.
#
#   docker build --tag nearline .
#   docker run --read-only --env-file settings nearline worker --listen 0.0.0.0:9464
#
# With a digest (rust:1.95.0-slim-bookworm@sha256:...) compiler and libc are always the same; see docs/deployment.md.
#checkov:skip=CKV_DOCKER_7:The base has a version, and by --build-arg RUST=... a digest.
ARG RUST=rust:1.95.0-slim-bookworm

FROM ${RUST} AS build
# libc6-dev has the static libc, and the image has no roots of trust of its own.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /nearline
COPY . .
# A target makes the flags hold for the executable alone: what runs while it is built is not static. libc finds names in
# /etc/hosts and by DNS without files of its own (glibc 2.34 or newer).
ENV CARGO_INCREMENTAL=0 \
    RUSTFLAGS="-Ctarget-feature=+crt-static --remap-path-prefix=/usr/local/cargo/registry/src=registry --remap-path-prefix=/nearline=nearline"
RUN cargo build --profile dist --locked --package nearline --bin nearline --target "$(rustc --print host-tuple)" \
    && mkdir -p /image/etc/ssl/certs \
    && cp "target/$(rustc --print host-tuple)/dist/nearline" /image/nearline \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch
COPY --from=build /image/ /
# Nobody in particular, and not root. The worker writes no file: `--read-only` holds.
USER 65532:65532
EXPOSE 9464
# Where nobody else asks, as on ECS; Kubernetes asks /healthz itself. It needs `--listen` with port 9464.
HEALTHCHECK --interval=10s --timeout=5s --retries=6 CMD ["/nearline", "probe", "127.0.0.1:9464"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nearline"]
CMD ["worker", "--listen", "0.0.0.0:9464"]
