// Uses this machine as the only node, as `run.sh` has set it up.

import { config } from "chai";
import { readInventory } from "../support/lab";

config.truncateThreshold = 0;

export const mochaHooks = { beforeAll: readInventory };
