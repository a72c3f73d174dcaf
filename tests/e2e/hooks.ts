// Starts one lab for all tests of a mocha run, and takes it down at the end.

import { down, up } from "../support/lab";

export const mochaHooks = {
    beforeAll(this: Mocha.Context) {
        this.timeout(80 * 60 * 1000);
        up();
    },
    afterAll(this: Mocha.Context) {
        this.timeout(5 * 60 * 1000);
        down();
    },
};
