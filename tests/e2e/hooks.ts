// Starts one lab for all tests of a mocha run, with the nodes in LAB_NODES (NAME=KIND ...), and takes it down at the end.

import { down, up } from "../support/lab";

export const mochaHooks = {
    beforeAll(this: Mocha.Context) {
        this.timeout(80 * 60 * 1000);
        up(...(process.env.LAB_NODES?.split(" ") ?? []));
    },
    afterAll(this: Mocha.Context) {
        this.timeout(5 * 60 * 1000);
        down();
    },
};
