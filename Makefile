# Every target has a line after "##"; `make` alone lists them.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

GOLANGCI     = v2.15.0
GOLANGCI_BIN = $(shell go env GOCACHE)/quorate-tools/golangci-lint-$(GOLANGCI)
FUZZTIME    ?= 30s
SCHEDULES   ?= 5000
SEED        ?= $(shell date +%s)

ROOTFS      ?= out/rootfs
IMAGES      ?= quorate
ETCD_VERSION = $(shell go list -m -f '{{.Version}}' go.etcd.io/etcd/server/v3)
# A client of Docker that has BuildKit: those from 23 on need their buildx plug-in for it.
DOCKER      ?= $(shell for d in docker /usr/bin/docker; do \
	{ $$d buildx version || $$d --version | grep -E 'version (18|19|20)\.'; } >/dev/null 2>&1 && { echo $$d; exit; }; done; echo docker)

.PHONY: list run build test model test-containers check vet lint fmt openapi openapi-current bench-takeover faults schedules fuzz rootfs images up demo token down clean

list: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## A whole Site on this machine: etcd, simulators, brokers. Options: make run ARGS="--brokers 5"
	./bin/quorate dev --data-dir out/dev $(ARGS)

build: ## bin/quorate, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/quorate ./cmd/quorate

test: ## All tests, with the race detector; those of containers need a Docker engine
	go test -race -timeout 15m ./...
	$(MAKE) model test-containers
	$(MAKE) schedules SCHEDULES=3000 SEED=1

model: ## Search every state of the model of the ownership protocol; -v tells how many: ARGS=-v
	go test -count=1 -timeout 20m $(ARGS) ./broker/model

test-containers: ## The tests of the images, the compose cluster, and an installation on machines
	DOCKER=$(DOCKER) go -C e2e/containers test -count=1 -timeout 20m $(ARGS) .
	DOCKER=$(DOCKER) go -C e2e/containers test -count=1 -timeout 20m $(ARGS) ./machines

check: vet lint openapi-current test ## Exactly what CI runs

vet: ## go vet
	go vet ./...
	go -C e2e/containers vet ./...

lint: $(GOLANGCI_BIN) ## golangci-lint, the pinned version (built once, about a minute)
	$(GOLANGCI_BIN) run --allow-parallel-runners ./...
	cd e2e/containers && $(GOLANGCI_BIN) run --allow-parallel-runners ./...

$(GOLANGCI_BIN):
	@mkdir -p $(@D)
	@into=$$(mktemp -d $(@D)/new.XXXX) && GOFLAGS= CGO_ENABLED=0 GOBIN=$$into \
		go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI) && \
		mv $$into/golangci-lint $@ && rmdir $$into

fmt: $(GOLANGCI_BIN) ## Format the code
	$(GOLANGCI_BIN) fmt ./...

openapi: ## Generate the OpenAPI document from the handlers
	go run ./openapi/gen

openapi-current: ## Fail if the OpenAPI document is not what `make openapi` would write
	go run ./openapi/gen -check

bench-takeover: ## Measure takeovers: kills with and without a guard, pauses, moves, stops
	go run ./e2e/bench $(ARGS)

faults: ## Do harm to a Site in network namespaces and look for two owners: ARGS="-minutes 10 -seed 1". Needs root
	go run ./e2e/faults $(ARGS)

schedules: ## Thousands of random schedules of faults, in virtual time. SCHEDULES=20000 SEED=1 plays those
	go test ./broker -count=1 -timeout 4h -run Schedules -schedules $(SCHEDULES) -seed $(SEED)

fuzz: ## Fuzz every decoder, FUZZTIME=30s each
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$f); do \
			echo "$$(dirname $$f) $$name"; go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); \
		done; done

rootfs: ## What goes into the images, compiled on this machine
	@mkdir -p $(ROOTFS)/common/data $(ROOTFS)/common/farm $(ROOTFS)/common/authority $(ROOTFS)/quorate/usr/local/bin $(ROOTFS)/etcd/usr/local/bin
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(ROOTFS)/quorate/usr/local/bin/quorate ./cmd/quorate
	CGO_ENABLED=0 go build -C e2e/etcd -trimpath -ldflags '-s -w' -o $(abspath $(ROOTFS))/etcd/usr/local/bin/ tool
	mv $(ROOTFS)/etcd/usr/local/bin/server $(ROOTFS)/etcd/usr/local/bin/etcd

images: $(if $(HOST_BUILD),rootfs) ## The images of the compose cluster. HOST_BUILD=1 compiles on this machine
	@for target in quorate etcd; do \
		DOCKER_BUILDKIT=1 $(DOCKER) build -q --target $$target -t $(IMAGES)/$$target:$(VERSION) -t $(IMAGES)/$$target:latest \
			$(if $(HOST_BUILD),--build-arg BINARIES=host) --build-arg VERSION=$(VERSION) \
			--build-arg COMMIT=$(COMMIT) --build-arg ETCD_VERSION=$(ETCD_VERSION) . || { \
			$(if $(HOST_BUILD),,echo "No image registry can be reached? make up HOST_BUILD=1 compiles on this machine.";) exit 1; } >&2; \
	done

up: images ## Start the compose cluster, and wait. Options: HOST_BUILD=1 QUORATE_PORT=9080 QUORATE_BIND=IP PROJECT=name IMAGES=name
	@DOCKER=$(DOCKER) QUORATE_IMAGE=$${QUORATE_IMAGE:-$(IMAGES)/quorate:latest} QUORATE_ETCD_IMAGE=$${QUORATE_ETCD_IMAGE:-$(IMAGES)/etcd:latest} e2e/compose/up.sh

demo: ## Kill a broker's container of the compose cluster, and tell what happens
	@DOCKER=$(DOCKER) e2e/compose/demo.sh

token: ## Show the root token of the compose cluster
	@DOCKER=$(DOCKER) e2e/compose/file.sh root.token

down: ## Stop the compose cluster. ARGS=-v throws its data away too
	@DOCKER=$(DOCKER) e2e/compose/compose.sh down $(ARGS)

clean: ## Remove what was built
	rm -rf bin out
