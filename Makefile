# Every target has a line after "##"; `make` alone lists them.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

GOLANGCI     = v2.15.0
GOLANGCI_BIN = $(shell go env GOCACHE)/quorate-tools/golangci-lint-$(GOLANGCI)
FUZZTIME    ?= 30s

.PHONY: list run build test check vet lint fmt openapi openapi-current bench-takeover fuzz clean

list: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## A whole Site on this machine: etcd, simulators, brokers. Options: make run ARGS="--brokers 5"
	./bin/quorate dev --data-dir out/dev $(ARGS)

build: ## bin/quorate, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/quorate ./cmd/quorate

test: ## All tests, with the race detector
	go test -race -timeout 15m ./...

check: vet lint openapi-current test ## Exactly what CI runs

vet: ## go vet
	go vet ./...

lint: $(GOLANGCI_BIN) ## golangci-lint, the pinned version (built once, about a minute)
	$(GOLANGCI_BIN) run --allow-parallel-runners ./...

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

bench-takeover: ## Measure takeovers: 30 kills, 30 moves, 30 stops
	go run ./e2e/bench $(ARGS)

fuzz: ## Fuzz every decoder, FUZZTIME=30s each
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' .); do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/p' $$f); do \
			echo "$$(dirname $$f) $$name"; go test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f); \
		done; done

clean: ## Remove what was built
	rm -rf bin out
