import { expect } from "chai";
import { lostMachine } from "../../../src/node/hooks";

describe("the explanation of a lost machine", () => {
    const lost = 'wait: remote command exited without exit status or exit signal: running "sh":\nrestarting containerd';

    it("explains a lost machine with the name of the node and the next step", () => {
        expect(lostMachine("kata", "kata-worker-1-activate", lost)).to.equal(
            "worker-1: the connection was lost during activate. The node completes the change or rolls it back by itself: " +
                "run pulumi up again when it is reachable",
        );
        const ended = 'wait: Process exited with status 137 from signal KILL: running "sh":\nrestarting containerd';
        expect(lostMachine("kata", "kata-worker-1-activate", ended)).to.match(/^worker-1: the connection was lost/);
        expect(lostMachine("kata", "kata-a.b-stage", lost)).to.match(/^a\.b: the connection was lost during stage\./);
    });

    it("adds the explanation of a lost machine to no other error, and to no error of other resources", () => {
        const failed = 'Process exited with status 1: running "sh":\nexited without exit status or exit signal';
        expect(lostMachine("kata", "kata-worker-1-activate", failed)).to.equal(undefined);
        expect(lostMachine("kata", "kata-worker-1-drain", lost)).to.equal(undefined);
        expect(lostMachine("kata", "kata-worker-1-label", lost)).to.equal(undefined);
    });
});
