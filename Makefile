# `make help` lists the targets. CI (.ci/run) calls them.

# Tools are built from source at these versions into bin/; nothing else is installed.
GOLANGCI_LINT_VERSION := v2.15.0
BUF_VERSION           := v1.75.0
PROMTOOL_VERSION      := v0.316.0

BIN           := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
BUF           := $(BIN)/buf-$(BUF_VERSION)
PROMTOOL      := $(BIN)/promtool-$(PROMTOOL_VERSION)

# How long each fuzz target runs under `make fuzz`.
FUZZTIME ?= 60s

# Flags of `make bench`, for example -runs 3.
BENCHFLAGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Compile everything
	go build ./...

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the code (gofumpt)
	$(GOLANGCI_LINT) fmt

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Format check, vet and the linters of .golangci.yml
	$(GOLANGCI_LINT) fmt --diff
	go vet ./...
	$(GOLANGCI_LINT) run --allow-parallel-runners

.PHONY: cross
cross: ## Compile and vet everything, tests included, for other systems
	@set -e; \
	for target in darwin/arm64 windows/amd64 linux/arm64; do \
		echo "$$target"; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go build ./...; \
		CGO_ENABLED=0 GOOS=$${target%/*} GOARCH=$${target#*/} go vet ./...; \
	done

.PHONY: test
test: ## Run the tests
	go test ./...

.PHONY: race
race: ## Run the tests with the race detector
	go test -race ./...

.PHONY: manifests
manifests: ## Check the Kubernetes manifests against the API's types and the application
	cd deploy/check && go vet ./... && go test -count=1 ./...

.PHONY: alerts
alerts: $(PROMTOOL) ## Check and test the Prometheus alert rules
	$(PROMTOOL) check rules dashboards/alerts.yaml
	cd dashboards && $(PROMTOOL) test rules alerts_test.yaml

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 60s)
	@set -e; \
	for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

.PHONY: bench
bench: ## Compare with the SDK, on the server that IGGY_TEST_ENDPOINT names or on the embedded one (BENCHFLAGS)
	go run ./bench $(BENCHFLAGS)
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: generate
generate: $(BUF) ## Generate code and documentation
	$(BUF) generate proto --template proto/buf.gen.yaml
	go generate ./...

.PHONY: tidy
tidy: ## Check that go.mod and go.sum are tidy
	go mod tidy -diff

.PHONY: integration
integration: ## Run the tests against the real server that IGGY_TEST_ENDPOINT names
	@test -n "$$IGGY_TEST_ENDPOINT" || { echo 'set IGGY_TEST_ENDPOINT=iggy://user:password@host:port' >&2; exit 2; }
	go test -race -count=1 ./...

.PHONY: demo
demo: ## Run the example application on http://127.0.0.1:8080
	go run ./examples/fxapp

$(GOLANGCI_LINT):
	GOBIN=$(BIN)/install go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(BIN)/install/golangci-lint $@

$(PROMTOOL):
	GOBIN=$(BIN)/install go install github.com/prometheus/prometheus/cmd/promtool@$(PROMTOOL_VERSION)
	mv $(BIN)/install/promtool $@

$(BUF):
	GOBIN=$(BIN)/install go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
	mv $(BIN)/install/buf $@
