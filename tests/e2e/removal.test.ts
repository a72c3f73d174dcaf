// The removal of Kata from a node while pods still use it.

import { expect } from "chai";
import { args, changes, containerOf, expectAlive, files, kubectl, onNode, startPod, TestStack } from "../support/lab";
import { describeRare } from "../support/sample";

describeRare("removal")("removal while sandboxes run", function () {
    this.timeout(10 * 60 * 1000);
    for (const node of ["worker-1", "worker-2"]) {
        it(`refuses to remove Kata from ${node} while sandboxes run, names their pods, and removes it with forceRemoval`, async () => {
            const stack = await TestStack.create("removal");
            const before = files(node);
            try {
                startPod("runc", node);
                const runc = containerOf("runc");
                await stack.up(args("3.32.0", {}, [node]));
                startPod("kata-1", node, "kata-qemu");
                startPod("kata-2", node, "kata-qemu");

                const error = await stack.failDestroy();
                expect(error).to.match(/sandboxes still run on Kata Containers: default\/kata-[12] default\/kata-[12]/);
                expect(error)
                    .to.contain("forceRemoval")
                    .and.match(/labels are already\s+removed/);
                expectAlive("kata-1");

                // The label and the RuntimeClass were removed first.
                const forced = await stack.up(args("3.32.0", { forceRemoval: true }, [node]));
                expect(changes(forced)[`kata-${node}-activate`]).to.equal("update");
                await stack.destroy();
                expect(files(node)).to.equal(before);
                expect(onNode(node, "readlink /proc/[0-9]*/exe | grep ^/opt/kata || :")).to.equal("");
                expect(containerOf("runc")).to.equal(runc);
                expectAlive("runc");
            } finally {
                kubectl("delete", "pods", "--all", "--wait=true", "--force", "--grace-period=0");
                await stack.remove();
            }
        });
    }
});
