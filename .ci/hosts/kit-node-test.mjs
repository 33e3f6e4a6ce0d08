import { afterEach, test } from "node:test";
import { kitTests } from "./kit.mjs";

kitTests({ test, afterEach });
