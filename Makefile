# Two commands set everything up by themselves on a fresh Debian-like machine: `make demo` and `make test`.
.PHONY: demo demo-down test bench unit node lab-test e2e nodes faults vm languages clean
.DEFAULT_GOAL := help

help: ## what there is to run
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: node_modules ## a local Kubernetes with two nodes, Kata Containers on it by `pulumi up`, a pod that uses it
	lab/demo

demo-down: ## takes the demo down: pulumi destroy, and the lab with all it made
	lab/demo down

test: lint unit node lab-test e2e ## lint, types, unit, schema, node program, lab, end-to-end and language tests

lint: node_modules tools
	npm run -s lint
	npm run -s types
	lab/lint

unit: node_modules
	npm run -s test:unit
	npm run -s test:schema

node: node_modules tools
	npx mocha --parallel 'tests/node/*.test.ts'

lab-test: tools
	cd lab/command-provider && go test -parallel 8 ./...

# Each in a lab of its own, two at a time: they wait more than they work. What one of them says comes when it is done.
e2e: node_modules tools ## on real nodes: what users do, every fault, a virtual machine, every language
	$(MAKE) --jobs=2 --output-sync=target faults vm nodes languages

E2E = npx mocha --require ./tests/e2e/hooks.ts
vm: ; LAB_NAME=vm $(E2E) tests/e2e/virtualMachine.test.ts
faults: ; LAB_NAME=faults $(E2E) tests/e2e/faults.test.ts tests/e2e/soak.test.ts
nodes: ; LAB_NAME=nodes $(E2E) 'tests/e2e/*.test.ts' --ignore 'tests/e2e/{virtualMachine,faults,soak}.test.ts'
languages: ; LAB_NAME=languages npx mocha --require ./tests/languages/hooks.ts 'tests/languages/*.test.ts'

# PARTS="node wire component drift fleet playbook", ROUNDS=5: see bench/README.md.
bench: node_modules tools ## what an install costs, from one node to two hundred, beside the least it could (45 minutes)
	LAB_NAME=$${LAB_NAME:-bench} SIMULATED_NUMBER=$${SIMULATED_NUMBER:-100} npx tsx bench/main.ts

tools:
	lab/lab tools

clean: ## the lab's cache as well
	lab/lab clean

node_modules: package-lock.json
	npm ci
	@touch node_modules
