# What people run: make build test lint bench fuzz demo chaos planted soak clean. CI runs nothing else.
# Needs Go, gcc and make; runc also needs libseccomp-dev, which is installed here
# when this runs as root and apt-get exists, and named otherwise.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)

MODULE   := github.com/orc-project/orc
EMBEDDED := runtime/bundle/embedded
LDFLAGS  := -s -w -X $(MODULE)/version.Version=$(VERSION) -X $(MODULE)/version.Commit=$(COMMIT)

CONTAINERD_PKG := github.com/containerd/containerd/v2
RUNC_PKG       := github.com/opencontainers/runc
# containerd without what orc never asks it for: CRI and other snapshotters.
CONTAINERD_TAGS := no_btrfs no_devmapper no_zfs no_cri no_tracing
RUNC_TAGS       := seccomp netgo osusergo

.PHONY: all build images bundle test lint bench fuzz demo planted chaos soak clean seccomp

all: build

# One static binary with everything in it. Go decides itself what to compile again.
build: bundle
	CGO_ENABLED=0 go build -tags bundle -trimpath -ldflags "$(LDFLAGS)" -o bin/orc .

# containerd, its shim and runc from the versions in go.mod; built again only when
# those change.
bundle: $(EMBEDDED)/manifest.json

version = $(shell go list -m -f '{{.Version}}' $(1))

$(EMBEDDED)/manifest.json: build/bundle/containerd build/bundle/containerd-shim-runc-v2 build/bundle/runc build/bundle/orc-init runtime/bundle/pack/main.go
	go run ./runtime/bundle/pack $(EMBEDDED) \
	  containerd=$(call version,$(CONTAINERD_PKG))=build/bundle/containerd \
	  containerd-shim-runc-v2=$(call version,$(CONTAINERD_PKG))=build/bundle/containerd-shim-runc-v2 \
	  runc=$(call version,$(RUNC_PKG))=build/bundle/runc \
	  orc-init=1=build/bundle/orc-init

build/bundle/containerd build/bundle/containerd-shim-runc-v2: build/bundle/%: go.mod
	CGO_ENABLED=0 go build -trimpath -tags "$(CONTAINERD_TAGS)" \
	  -ldflags "-s -w -X $(CONTAINERD_PKG)/version.Version=$(patsubst v%,%,$(call version,$(CONTAINERD_PKG)))" \
	  -o $@ $(CONTAINERD_PKG)/cmd/$*
	@touch $@

build/bundle/runc: go.mod | seccomp
	CGO_ENABLED=1 go build -trimpath -tags "$(RUNC_TAGS)" \
	  -ldflags "-s -w -linkmode external -extldflags -static" -o $@ $(RUNC_PKG)
	@touch $@

build/bundle/orc-init: go.mod $(wildcard runtime/containerd/initproc/*.go)
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" -o $@ ./runtime/containerd/initproc/orc-init
	@touch $@

seccomp:
	@printf '#include <seccomp.h>\n' | $(or $(CC),cc) -E -x c - >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get install -y --no-install-recommends libseccomp-dev || \
	      { apt-get update && apt-get install -y --no-install-recommends libseccomp-dev; }; \
	  else \
	    echo "make: runc needs libseccomp's headers: install the package libseccomp-dev (Debian, Ubuntu) or libseccomp-static and libseccomp-devel (Fedora)" >&2; exit 1; \
	  fi; }

# The demo images, of the programs in testdata/apps.
images: build/images/.made

build/images/.made: go.mod $(shell find testdata/apps -name '*.go')
	go run ./testdata/apps/pack -o build/images
	@touch $@

# Everything, with the real runtime and real clusters of bin/orc; needs root, and
# without it says what it left out.
# One package after the other: the clusters need the cores for themselves.
test: build images
	ORC_BINARY=$(CURDIR)/bin/orc ORC_IMAGES=$(CURDIR)/build/images go test -count=1 -p 1 -tags bundle -timeout 30m ./...

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

bench: build images
	ORC_BINARY=$(CURDIR)/bin/orc ORC_IMAGES=$(CURDIR)/build/images go test -p 1 -tags bundle -timeout 30m -run '^$$' -bench . ./...

# Every fuzz target, FUZZTIME each. What one finds is written to its package's
# testdata/fuzz: mend it and commit that too.
fuzz:
	@git grep '^func Fuzz' -- '*_test.go' | sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z]*).*|./\1 \2|' | while read -r package target; do \
	  echo "$$package $$target"; \
	  go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(or $(FUZZTIME),10s) "$$package" </dev/null || exit 1; \
	done

demo: build images
	lab/demo.sh

# The fault suite, for as long as you like; needs root. ROUND=n does one round alone,
# CHAOS="-faults cut,pause -managers 5" and the like go to the program (-help).
chaos: build images
	go run ./lab/chaos/orc-chaos -duration $(or $(DURATION),10m) $(if $(SEED),-seed $(SEED)) $(if $(ROUND),-round $(ROUND)) $(CHAOS)

# Four planted bugs, each of which the fault suite must catch.
planted: build images
	ORC_PLANTED=1 ORC_BINARY=$(CURDIR)/bin/orc ORC_IMAGES=$(CURDIR)/build/images go test -count=1 -tags bundle -timeout 30m -run PlantedBugs -v ./lab/chaos

# Requests as fast as the machine can while tasks come and go, for as long as you like;
# needs root, nsenter, nft and conntrack.
soak: build images
	ORC_SOAK=$(or $(DURATION),10m) ORC_BINARY=$(CURDIR)/bin/orc ORC_IMAGES=$(CURDIR)/build/images go test -count=1 -tags bundle -timeout 0 -run Soak -v ./lab/e2e

clean:
	rm -rf bin build $(EMBEDDED)
