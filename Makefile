# `make help` lists the targets. CI (.ci/run) calls them.

# Tools are built from source: these into bin/, those that tools/go.mod pins into Go's build cache.
GOLANGCI_LINT_VERSION := v2.15.0
BUF_VERSION           := v1.75.0
BENCHSTAT_VERSION     := v0.0.0-20260908200009-22c9c6c9d4da

BIN           := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
BUF           := $(BIN)/buf-$(BUF_VERSION)
BENCHSTAT     := $(BIN)/benchstat-$(BENCHSTAT_VERSION)

TOOL          := go tool -modfile=$(CURDIR)/tools/go.mod

# The licences that dependencies may have, as SPDX identifiers. Those of tests are not distributed.
LICENSES      := Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT
TEST_LICENSES := $(LICENSES),MPL-2.0

# How long each fuzz target runs under `make fuzz`.
FUZZTIME ?= 60s

# Flags of `make bench`, for example -runs 3.
BENCHFLAGS ?=

# The packages of `make test`, `make race` and `make benchstat`, and flags of the first two.
PKG       ?= ./...
TESTFLAGS ?=

# The benchmarks that `make benchstat` runs, a regular expression.
BENCH ?= .

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
	go test $(TESTFLAGS) $(PKG)

.PHONY: race
race: ## Run the tests with the race detector
	go test -race $(TESTFLAGS) $(PKG)

.PHONY: manifests
manifests: ## Check the Kubernetes manifests against the API's types and the application
	cd deploy/check && go vet ./... && go test -count=1 ./...

.PHONY: alerts
alerts: ## Test the alert rules and the dashboard's expressions with Prometheus' packages
	cd dashboards/check && go vet ./... && go test -count=1 ./...

.PHONY: licenses
licenses: ## List the dependencies with their licences, and check that these are allowed
	@set -e; \
	tool=$$($(TOOL) -n go-licenses); \
	flags='--ignore github.com/fetchbox/fetchbox-iggy --logtostderr=false --log_file=/dev/null --stderrthreshold=ERROR'; \
	for system in linux darwin windows; do \
		GOOS=$$system $$tool check ./... $$flags --allowed_licenses=$(LICENSES); \
	done; \
	$$tool check ./... $$flags --include_tests --allowed_licenses=$(TEST_LICENSES); \
	$$tool report ./... $$flags --include_tests --template=tools/licenses.tmpl | sort -u

.PHONY: third-party
third-party: ## Save the licences of what PROGRAM contains to bin/third-party, for distributions
	$(TOOL) go-licenses save $(PROGRAM) --force --save_path=bin/third-party --ignore github.com/fetchbox/fetchbox-iggy \
		--logtostderr=false --log_file=/dev/null --stderrthreshold=ERROR

.PHONY: release-notes
release-notes: ## Print the section of CHANGELOG.md for VERSION
	@awk -v heading='## [$(VERSION:v%=%)]' '/^## /{found = index($$0, heading) == 1; any = any || found; next} found; \
		END {if (!any) {print "CHANGELOG.md has no section for $(VERSION)" > "/dev/stderr"; exit 1}}' CHANGELOG.md

.PHONY: workflows
workflows: ## Check the GitHub workflows
	$(TOOL) actionlint -shellcheck= -pyflakes=

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

# The commits alternate, one round of each after the other, so that what else the machine does hits
# both. -trimpath lets the next call find the compiled packages in the cache, whatever the directory.
.PHONY: benchstat
benchstat: $(BENCHSTAT) ## Compare the benchmarks of commits: OLD=ref [NEW=ref] [BENCH=regexp] [PKG=packages]
	@test -n "$(OLD)" || { echo 'set OLD to the commit to compare with, OLD=HEAD~1 for example' >&2; exit 2; }
	@set -e; \
	root=$$PWD; dir=$$(mktemp -d); \
	trap 'cd "$$root"; for side in old new; do git worktree remove --force "$$dir/$$side" 2>/dev/null || true; done; rm -rf "$$dir"' EXIT; \
	trap 'exit 130' HUP INT TERM; \
	git worktree add --quiet --detach "$$dir/old" '$(OLD)'; \
	git worktree add --quiet --detach "$$dir/new" '$(or $(NEW),HEAD)'; \
	for round in 1 2 3 4 5 6; do \
		for side in old new; do \
			echo "round $$round of 6: $$side" >&2; \
			cd "$$dir/$$side"; \
			packages=$$(go list -f '{{.Dir}}' $(PKG) | while read -r p; do if grep -qs '^func Benchmark' "$$p"/*_test.go; then echo "$$p"; fi; done); \
			test -n "$$packages" || { echo "no benchmarks in $(PKG) of the $$side commit" >&2; exit 1; }; \
			go test -trimpath -run '^$$' -bench '$(BENCH)' -benchmem $$packages >>"$$dir/$$side.txt" || { cat "$$dir/$$side.txt" >&2; exit 1; }; \
		done; \
	done; \
	$(BENCHSTAT) '$(OLD)'="$$dir/old.txt" '$(or $(NEW),HEAD)'="$$dir/new.txt"

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

$(BENCHSTAT):
	GOBIN=$(BIN)/install go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
	mv $(BIN)/install/benchstat $@

$(BUF):
	GOBIN=$(BIN)/install go install github.com/bufbuild/buf/cmd/buf@$(BUF_VERSION)
	mv $(BIN)/install/buf $@
