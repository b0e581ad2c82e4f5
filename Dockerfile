# Two images from one file, by --target:
#
#   quorate  the server and everything else that the binary can do (default)
#   etcd     etcd with etcdctl and etcdutl, built from their Go modules
#
# The binaries are compiled in the first stage. Where its base image cannot be
# had, compile them on the host and say so (this is `make images HOST_BUILD=1`):
#
#   docker build --build-arg BINARIES=host .
#
# BuildKit is needed: it leaves out the stages that nothing asks for.
ARG GO_IMAGE=golang:1.26.8-bookworm
ARG BASE_IMAGE=scratch
ARG BINARIES=compiled

FROM ${GO_IMAGE} AS compiled
WORKDIR /src
COPY go.mod go.sum ./
COPY e2e/etcd e2e/etcd
RUN go mod download && go -C e2e/etcd mod download
COPY . .
ARG VERSION=dev
ARG COMMIT=unknown
RUN make rootfs VERSION=${VERSION} COMMIT=${COMMIT} ROOTFS=/rootfs

FROM scratch AS host
COPY out/rootfs/ /rootfs/

FROM ${BINARIES} AS binaries

# What both images share: nobody's user, and directories of its own, so that
# volumes that are mounted there belong to it.
FROM ${BASE_IMAGE} AS base
COPY --from=binaries --chown=65532:65532 /rootfs/common/ /
USER 65532:65532

FROM base AS etcd
COPY --from=binaries /rootfs/etcd/ /
ARG ETCD_VERSION
LABEL org.opencontainers.image.title="etcd for Quorate" \
      org.opencontainers.image.version=${ETCD_VERSION} \
      org.opencontainers.image.licenses=Apache-2.0
ENV PATH=/usr/local/bin
VOLUME /data
EXPOSE 2379 2380
HEALTHCHECK --interval=2s --timeout=5s --start-period=60s --retries=5 CMD ["etcdctl", "endpoint", "health"]
ENTRYPOINT ["etcd"]

FROM base AS quorate
COPY --from=binaries /rootfs/quorate/ /
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title=Quorate \
      org.opencontainers.image.description="High availability for the Connection Brokers of virtual desktops" \
      org.opencontainers.image.source=https://github.com/quorate/quorate \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT} \
      org.opencontainers.image.licenses=Apache-2.0
ENV PATH=/usr/local/bin
EXPOSE 8080
HEALTHCHECK --interval=2s --timeout=6s --start-period=60s --retries=3 CMD ["quorate", "health"]
ENTRYPOINT ["quorate"]
CMD ["serve"]
