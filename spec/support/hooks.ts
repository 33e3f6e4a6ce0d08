import { tearDown } from "./teardown.ts";

export const mochaHooks = {
  afterEach: tearDown,
};
