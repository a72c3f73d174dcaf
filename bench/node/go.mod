module kata-containers.bench/node

go 1.26
