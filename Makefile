# What it takes to build, run and test outdial: Go, and for the race detector a
# C compiler. No root, no container; Redis is found or unpacked by itself.
#
#   make          explains itself

GO ?= go
MODULES := . pkg/events
ROLES   := orchestrator compliance dialer events-bridge
FUZZTIME ?= 60s

# Without a C compiler tests run all the same, and say what they lack.
RACE := $(shell command -v cc >/dev/null 2>&1 && echo -race)

# Everything that a command of ours may have written, and that is kept.
STATE := find cmd docs gen internal pkg services sim test deploy go.mod go.sum go.work go.work.sum -type f -not -path '*/node_modules/*' -not -path 'deploy/secrets/*' -exec cksum {} + | LC_ALL=C sort -k3

.DEFAULT_GOAL := help
.PHONY: help demo build test check gen lint deadcode size bench interop long fuzz redis nats clean

help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

demo: ## everything in one process: simulated providers, sample requests, a live table
	@OUTDIAL_REDIS_SERVER=$$(sh deploy/scripts/redis.sh) || OUTDIAL_REDIS_SERVER=; export OUTDIAL_REDIS_SERVER; $(GO) run ./cmd/outdial demo

build: ## bin/outdial and the four services' own binaries
	$(GO) build -o bin/outdial ./cmd/outdial
	@for role in $(ROLES); do \
		echo "$(GO) build -o bin/outdial-$$role"; \
		$(GO) build -o bin/outdial-$$role ./services/$$role/cmd/outdial-$$role || exit 1; \
	done

test: ## every test, against real NATS servers and a real Redis
	@[ -n "$(RACE)" ] || echo "make test: no C compiler here, so the race detector is off" >&2
	@OUTDIAL_REDIS_SERVER=$$(sh deploy/scripts/redis.sh) && export OUTDIAL_REDIS_SERVER && \
	$(GO) test $(RACE) -count=1 -timeout 20m work
	@[ -z "$(RACE)" ] || $(GO) test -count=1 -timeout 15m ./test/simulation

check: ## what must hold before a change goes in: format, vet, lint, modules, printed files, imports
	@echo "gofmt"; unformatted=$$(gofmt -l cmd gen internal pkg services sim test deploy); \
	[ -z "$$unformatted" ] || { printf 'not formatted, run gofmt -w:\n%s\n' "$$unformatted"; exit 1; }
	$(GO) vet work
	@for m in $(MODULES); do echo "$$m: go mod tidy -diff"; (cd $$m && GOWORK=off $(GO) mod tidy -diff) || exit 1; done
	@for m in $(MODULES); do echo "$$m: builds without the workspace"; (cd $$m && GOWORK=off $(GO) build ./...) || exit 1; done
	@mkdir -p bin; $(STATE) >bin/.before
	$(GO) work sync
	@$(MAKE) -s gen
	@$(STATE) >bin/.after; diff bin/.before bin/.after || \
	{ echo "files were out of date; go work sync and make gen have put them right, keep them"; exit 1; }
	@rm -f bin/.before bin/.after
	@$(MAKE) -s lint
	@$(MAKE) -s deadcode
	@OUTDIAL_REDIS_SERVER=$$(sh deploy/scripts/redis.sh) && export OUTDIAL_REDIS_SERVER && \
	$(GO) test -count=1 ./test/imports ./test/deploy

gen: ## prints what is made from the code: schemas, lifecycle, rules, configuration
	$(GO) run ./gen/eventsgen
	@mkdir -p bin; $(GO) run ./gen/configdoc >bin/.configuration.md && cat bin/.configuration.md >docs/configuration.md && rm bin/.configuration.md
	@for m in $(MODULES); do (cd $$m && $(GO) generate ./...) || exit 1; done

lint: bin/staticcheck ## staticcheck, module by module
	@bad=0; for m in $(MODULES); do echo "$$m: staticcheck"; (cd $$m && $(CURDIR)/bin/staticcheck ./...) || bad=1; done; exit $$bad

# What a program can reach is what its main calls; pkg/events is a library, whose
# users are not here. Tests alone flush the twin of
# Redis, drain a worker by hand and print a finding.
deadcode: bin/deadcode ## functions that no program of ours can reach
	@echo "deadcode"; bin/deadcode -filter 'outdial/outdial/(cmd|internal|pkg/providers|services|gen)' ./cmd/... ./services/... ./gen/... ./deploy/... >bin/.dead && \
	! grep -vE 'Memory.Flush$$|Runtime.Drain$$|Finding.String$$' bin/.dead

size: ## lines of the product: what is neither test, simulator, generator, demonstration nor measurement
	@find cmd internal pkg services -name '*.go' -not -name '*_test.go' -not -path 'cmd/outdial/internal/demo/*' -not -path 'cmd/outdial/internal/bench/*' | LC_ALL=C sort | xargs wc -l | \
	awk '$$2 != "total" { split($$2, p, "/"); part = p[1] "/" p[2]; n[part] += $$1; sum += $$1 } \
	END { for (part in n) printf "%7d  %s\n", n[part], part | "LC_ALL=C sort -k2"; close("LC_ALL=C sort -k2"); printf "%7d  lines of product code\n", sum }'

# BENCH='--stages saturation,latency' for some of it; bin/outdial bench --help lists the rest.
bench: build ## measures outdial beside bare JetStream: the table of docs/performance.md
	@OUTDIAL_REDIS_SERVER=$$(sh deploy/scripts/redis.sh) && export OUTDIAL_REDIS_SERVER && bin/outdial bench $(BENCH)

interop: ## CloudEvents, AsyncAPI and the desktop relay against their npm counterparts (needs Node and npm)
	sh test/interop/run.sh

long: ## the tests three times over in any order, 200,000 simulated calls, five minutes of each fuzz target
	@OUTDIAL_REDIS_SERVER=$$(sh deploy/scripts/redis.sh) && export OUTDIAL_REDIS_SERVER && \
	OUTDIAL_LONG=1 $(GO) test $(RACE) -shuffle=on -count=3 -timeout 120m work
	OUTDIAL_SIM_CALLS=200000 $(GO) test -count=1 -timeout 240m -run 'TestWhateverGoesWrongNoPromiseIsBroken' -v ./test/simulation
	@$(MAKE) -s fuzz FUZZTIME=5m

fuzz: ## each fuzz target for a minute (FUZZTIME=…)
	@grep -rl '^func Fuzz' --include='*_test.go' cmd gen internal pkg services sim test | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file"); do \
			dir=$$(dirname "$$file"); echo "$$dir: $$target, $(FUZZTIME)"; \
			(cd "$$dir" && $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) .) || exit 1; \
		done || exit 1; \
	done

redis: ## finds a redis-server or unpacks one into .cache, and prints its path
	@sh deploy/scripts/redis.sh

nats: bin/nats ## bin/nats, the NATS command line

bin/nats: tools/go.mod tools/go.sum
	cd tools && GOWORK=off $(GO) build -mod=mod -o ../bin/nats github.com/nats-io/natscli/nats

bin/staticcheck: tools/go.mod tools/go.sum
	cd tools && GOWORK=off $(GO) build -mod=mod -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck

bin/deadcode: tools/go.mod tools/go.sum
	cd tools && GOWORK=off $(GO) build -mod=mod -o ../bin/deadcode golang.org/x/tools/cmd/deadcode

clean: ## removes bin and what was built; keeps data, secrets and .cache
	rm -rf bin
	$(GO) clean -testcache
