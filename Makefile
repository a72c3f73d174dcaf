# `make demo` and `make test` set up everything they need on a fresh Debian-like machine.
.PHONY: help demo demo-down test test-all bench lint unit node lab-test e2e faults vm daemonset distributions nodes leaving classes languages pictures tools checks clean
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: node_modules ## start a local Kubernetes with two nodes, install Kata with `pulumi up`, run a pod with it
	lab/demo

demo-down: ## remove the demo: pulumi destroy, and the local Kubernetes
	lab/demo down

test: lint unit node lab-test e2e ## run all tests, the long ones as a seeded sample (45 minutes)

test-all: export KATA_TEST_ALL = 1
test-all: test ## run all tests in full: every fault, a soak of 50 rounds (3 hours)

lint: node_modules checks ## check format, types, shell files, and the rules of this project
	npm run -s lint
	npm run -s types
	lab/lint
	npx mocha 'tests/lint/*.test.ts'

unit: node_modules checks ## test the TypeScript code and the schema
	npm run -s test:unit
	npm run -s test:schema

node: node_modules checks ## test the node program in several shells
	npx mocha --parallel --jobs=3 --timeout=120000 'tests/node/*.test.ts'

lab-test: tools ## test the lab's command provider
	cd lab/command-provider && go test -parallel 8 ./...

# Each group has a lab of its own. Three run at a time: they wait more than they compute. The output of a group is shown when
# it has ended, and what failed once more at the end. The longest ones come first.
e2e: SHELL = bash
e2e: .SHELLFLAGS = -o pipefail -c
e2e: node_modules tools ## test on real nodes: what users do, faults, a virtual machine, every language
	@log=$$(mktemp); trap 'rm "$$log"' EXIT; $(MAKE) --jobs=3 --keep-going --output-sync=target nodes classes languages distributions vm daemonset leaving faults 2>&1 | tee "$$log" || \
		{ sed -n '/^  [0-9]* failing$$/,/^make\|^lab: /p' "$$log"; exit 1; }

E2E = npx mocha --require ./tests/e2e/hooks.ts
faults: ; LAB_NAME=faults $(E2E) tests/e2e/faults.test.ts tests/e2e/soak.test.ts
vm: ; LAB_NAME=vm LAB_NODES=machine-1=vm $(E2E) tests/e2e/arm64.test.ts tests/e2e/virtualMachine.test.ts
# The faults first: in full, the other tests add nodes.
daemonset: ; LAB_NAME=daemonset $(E2E) tests/e2e/daemonFaults.test.ts tests/e2e/daemonSet.test.ts
# A machine cannot watch files for all of these nodes at a time.
distributions:
	for nodes in "server-1=rke2 agent-1=k3s" "worker-3=k0s worker-4=k0s-1.35" "snap-1=microk8s crio-1=crio"; do \
		LAB_NAME=distributions LAB_NODES="$$nodes" $(E2E) tests/e2e/distributions.test.ts tests/e2e/crio.test.ts \
			$(if $(KATA_TEST_ALL),tests/e2e/faults.test.ts) || failed=1; \
	done; exit $${failed:-0}
nodes: ; LAB_NAME=nodes $(E2E) 'tests/e2e/*.test.ts' \
	--ignore 'tests/e2e/{arm64,virtualMachine,daemonFaults,daemonSet,distributions,crio,faults,soak,components,handler,owners,runtimeClasses,snapshotter,drain,leaving,removal}.test.ts'
leaving: ; LAB_NAME=leaving $(E2E) $(addprefix tests/e2e/,$(addsuffix .test.ts,drain leaving removal))
classes: ; LAB_NAME=classes $(E2E) $(addprefix tests/e2e/,$(addsuffix .test.ts,components handler owners runtimeClasses snapshotter))
languages: ; LAB_NAME=languages npx mocha --require ./tests/languages/hooks.ts 'tests/languages/*.test.ts'

# PARTS="node wire component program drift fleet mirror daemonSet playbook", ROUNDS=5: see bench/README.md.
bench: node_modules tools ## measure installs on 1 to 200 nodes and compare them with the theoretical minimum (an hour)
	LAB_NAME=$${LAB_NAME:-bench} SIMULATED_NUMBER=$${SIMULATED_NUMBER:-100} npx tsx bench/main.ts

# A picture ends with the sha256 of its source, so that a test finds an outdated one without Graphviz.
pictures: ## render docs/pictures/*.dot as SVG (needs Graphviz)
	@set -e; for source in docs/pictures/*.dot; do \
		picture=$${source%.dot}.svg; \
		dot -Tsvg -o "$$picture" "$$source"; \
		echo "<!-- sha256 of the source: $$(sha256sum <"$$source" | cut -c 1-64) -->" >>"$$picture"; \
	done

tools:
	lab/lab tools

checks:
	lab/lab checks >/dev/null

clean: ## remove the lab and its cache
	lab/lab clean

node_modules: package-lock.json
	npm ci
	@touch node_modules
